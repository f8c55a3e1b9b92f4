{{/* What things are called, and how they are labelled. */}}

{{- define "podlift.fullname" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* The namespace of task pods. */}}
{{- define "podlift.taskNamespace" -}}
{{- .Values.workers.namespace | default .Release.Namespace -}}
{{- end }}

{{/* Labels by which the pods of a component are found. Takes root, component. */}}
{{- define "podlift.selector" -}}
app.kubernetes.io/name: airflow
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Labels of every object. Takes root, component. */}}
{{- define "podlift.labels" -}}
{{ include "podlift.selector" . }}
app.kubernetes.io/version: {{ .root.Values.images.airflow.tag | default .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- with .root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Name of a component's service account. Takes root, component, values. */}}
{{- define "podlift.serviceAccount" -}}
{{- if .values.serviceAccount.create -}}
{{- .values.serviceAccount.name | default (printf "%s-%s" (include "podlift.fullname" .root) .component) -}}
{{- else -}}
{{- .values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{/* An image's reference. Takes image (repository, tag, digest), tag (where it has none). */}}
{{- define "podlift.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end -}}
{{- end }}

{{- define "podlift.airflowImage" -}}
{{- include "podlift.image" (dict "image" .Values.images.airflow "tag" .Chart.AppVersion) -}}
{{- end }}

{{/* Names of the Secrets: of the values, or those that the chart makes. */}}
{{- define "podlift.fernetSecret" -}}
{{- .Values.fernetKeySecretName | default (printf "%s-fernet-key" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.apiSecret" -}}
{{- .Values.apiSecretKeySecretName | default (printf "%s-api-secret-key" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.jwtSecret" -}}
{{- .Values.jwtSecretName | default (printf "%s-jwt-secret" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.metadataSecret" -}}
{{- .Values.data.metadataSecretName | default (printf "%s-metadata" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.postgresqlSecret" -}}
{{- .Values.postgresql.auth.existingSecret | default (printf "%s-postgresql" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.sealSecret" -}}
{{- .Values.sealKeySecretName | default (printf "%s-seal" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.adminSecret" -}}
{{- .Values.adminUser.passwordSecretName | default (printf "%s-admin" (include "podlift.fullname" .)) -}}
{{- end }}

{{/* Names of the two claims. */}}
{{- define "podlift.dagsClaim" -}}
{{- .Values.dags.persistence.existingClaim | default (printf "%s-dags" (include "podlift.fullname" .)) -}}
{{- end }}
{{- define "podlift.logsClaim" -}}
{{- .Values.logs.persistence.existingClaim | default (printf "%s-logs" (include "podlift.fullname" .)) -}}
{{- end }}

{{/* URL at which users find Airflow: [api] base_url, or what the ingress says; maybe empty. */}}
{{- define "podlift.baseUrl" -}}
{{- $ingress := .Values.ingress.apiServer -}}
{{- $first := first ($ingress.hosts | default list) | default dict -}}
{{- if (.Values.config.api | default dict).base_url -}}
{{- tpl .Values.config.api.base_url . -}}
{{- else if and $ingress.enabled $first.name -}}
{{- ternary "https" "http" ((($first.tls) | default dict).enabled | default false) }}://{{ tpl $first.name . }}{{ trimSuffix "/" $ingress.path -}}
{{- end -}}
{{- end }}

{{/* URL at which task pods find the execution API: below the path of the base URL. */}}
{{- define "podlift.executionApi" -}}
{{- $path := trimSuffix "/" (urlParse (include "podlift.baseUrl" .)).path -}}
http://{{ include "podlift.fullname" . }}-api-server.{{ .Release.Namespace }}.svc:{{ .Values.apiServer.service.port }}{{ $path }}/execution/
{{- end }}
