"""FaceSwapJobs in Kubernetes, for the controller and the command line.

names       API group, labels, condition types
crd         the CustomResourceDefinition
api         the API server over HTTP; errors: its answers as recast's
cluster     all that the command line asks of it
documents   a file of FaceSwapJobs; yamllines: where it says what
each        one job a source, out of a template
podstatus   what a pod's status says of the stage in it
podlogs     a stage's log in words
follow      jobs until they are done
jobtext     how a job stands, in words
explain     why it does not move
"""
