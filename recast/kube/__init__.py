"""FaceSwapJobs in Kubernetes.

For the controller and the command line:

    names       API group, labels, condition types
    crd         the CustomResourceDefinition
    resource    a FaceSwapJob as the API server has it
    api         the API server over HTTP
    errors      its answers as recast's errors
    podstatus   what a pod's status says of the stage in it

For the command line alone:

    cluster     all that it asks of a cluster
    documents   a file of FaceSwapJobs
    yamllines   where such a file says what
    each        one job a source, out of a template
    follow      jobs until they are done
    podlogs     a stage's log in words
    jobtext     how a job stands, in words
    explain     why it does not move
"""
