{{/* The name that every object of this release begins with. */}}
{{- define "edgeglm.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "edgeglm.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "edgeglm.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The replicas of one release share one; two releases never do. */}}
{{- define "edgeglm.leaseName" -}}
{{ include "edgeglm.fullname" . }}-operator
{{- end -}}

{{/* What a selector may hold: it can never change after the first install. */}}
{{- define "edgeglm.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "edgeglm.labels" -}}
{{ include "edgeglm.selectorLabels" . }}
{{ include "edgeglm.releaseLabels" . }}
{{- end -}}

{{/* The same for the receiver. */}}
{{- define "edgeglm.receiver.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: receiver
{{- end -}}

{{- define "edgeglm.receiver.labels" -}}
{{ include "edgeglm.receiver.selectorLabels" . }}
{{ include "edgeglm.releaseLabels" . }}
{{- end -}}

{{- define "edgeglm.receiver.name" -}}
{{ include "edgeglm.fullname" . }}-receiver
{{- end -}}

{{- define "edgeglm.receiver.serviceAccountName" -}}
{{- default (include "edgeglm.receiver.name" .) .Values.receiver.serviceAccountName -}}
{{- end -}}

{{- define "edgeglm.releaseLabels" -}}
app.kubernetes.io/part-of: edgeglm
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "edgeglm.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if .Values.image.digest -}}
{{ $repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ $repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "edgeglm.agentImage" -}}
{{- $image := printf "edgeglm/agent:%s" .Chart.AppVersion -}}
{{- with .Values.image.registry }}{{ $image = printf "%s/%s" . $image }}{{ end -}}
{{- default $image .Values.agent.image -}}
{{- end -}}
