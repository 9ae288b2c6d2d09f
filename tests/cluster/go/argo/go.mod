// Argo Workflows, for its CRD alone: nothing of it is built.
module recast.example/argo

go 1.26.0

require github.com/argoproj/argo-workflows/v4 v4.0.5
