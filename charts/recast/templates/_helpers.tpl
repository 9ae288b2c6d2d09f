{{/* The chart's name in objects' names. */}}
{{- define "recast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What all objects' names begin with: the release's name, and the chart's where it is not in it. */}}
{{- define "recast.fullname" -}}
{{- $name := include "recast.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Name of the controller's objects. */}}
{{- define "recast.controller" -}}
{{ include "recast.fullname" . }}-controller
{{- end }}

{{- define "recast.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "recast.controller" .) }}
{{- end }}

{{/* Name of objects that belong to the whole cluster but to this release: there may be one in another namespace. */}}
{{- define "recast.clusterName" -}}
{{ include "recast.fullname" . }}.{{ .Release.Namespace }}
{{- end }}

{{/* Labels that never change, by which the controller's pods are found; stage pods have none of the last two. */}}
{{- define "recast.selector" -}}
app.kubernetes.io/name: recast
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{/* An object's labels, each once; call with (list . COMPONENT MORE). MORE are stronger than those of all objects, and
   what tells whose an object is is stronger than both. */}}
{{- define "recast.labels" -}}
{{- $root := index . 0 -}}
{{- $about := dict
  "app.kubernetes.io/version" $root.Chart.AppVersion
  "app.kubernetes.io/part-of" "recast"
  "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $whose := dict
  "app.kubernetes.io/name" "recast"
  "app.kubernetes.io/instance" $root.Release.Name
  "app.kubernetes.io/managed-by" $root.Release.Service
  "app.kubernetes.io/component" (index . 1) -}}
{{- toYaml (mergeOverwrite $about $root.Values.commonLabels (index . 2) $whose) -}}
{{- end }}

{{- define "recast.controllerLabels" -}}
{{ include "recast.labels" (list . "controller" dict) }}
{{- end }}

{{/* Reference of an image; call with (list . .Values.image.NAME). */}}
{{- define "recast.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $registry := $root.Values.image.registry | trimSuffix "/" -}}
{{- $repository := ternary (printf "%s/%s" $registry $image.repository) $image.repository (ne $registry "") -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository ($image.tag | default $root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* Values that say something other than the default, as JSON for the controller's --pod-defaults; empty where none does. */}}
{{- define "recast.podDefaults" -}}
{{- $given := dict -}}
{{- range $key, $value := .Values.podDefaults -}}
{{- if has $key (list "stage" "worker" "gpuWorker") -}}
{{- $placement := dict -}}
{{- range $name, $each := $value }}{{ if $each }}{{ $_ := set $placement $name $each }}{{ end }}{{ end -}}
{{- if $placement }}{{ $_ := set $given $key $placement }}{{ end -}}
{{- else if $value -}}
{{- $_ := set $given $key $value -}}
{{- end -}}
{{- end -}}
{{- if not .Values.fixedUser }}{{ $_ := set $given "fixedUser" false }}{{ end -}}
{{- if .Values.image.pullSecrets }}{{ $_ := set $given "imagePullSecrets" .Values.image.pullSecrets }}{{ end -}}
{{- if $given }}{{ mustToRawJson $given }}{{ end -}}
{{- end }}
