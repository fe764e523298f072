{{/* Name of every object: the release's, or release and chart. */}}
{{- define "ops-manager.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "ops-manager.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "ops-manager.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "ops-manager.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: sealwright
{{- end -}}

{{- define "ops-manager.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "ops-manager.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "ops-manager.image" -}}
{{- with .Values.image.registry }}{{ . }}/{{ end -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* A cluster-scoped name. Releases that watch one namespace each do not share it. */}}
{{- define "ops-manager.clusterName" -}}
{{- if .Values.watchNamespace -}}
{{- printf "%s:%s" .Release.Namespace (include "ops-manager.fullname" .) -}}
{{- else -}}
{{- include "ops-manager.fullname" . -}}
{{- end -}}
{{- end -}}

{{/* Rights in a database's namespace; bound there by the operator itself, never cluster-wide. */}}
{{- define "ops-manager.databaseRole" -}}
{{- printf "%s-database" (include "ops-manager.clusterName" .) -}}
{{- end -}}
