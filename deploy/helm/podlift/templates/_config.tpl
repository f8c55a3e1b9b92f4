{{/* Airflow's configuration, as environment variables. */}}

{{/* What the chart sets by itself, by section and option; `config` goes over it. */}}
{{- define "podlift.ownConfig" -}}
core:
  executor: podlift.executor.KubernetesExecutor
  execution_api_server_url: {{ include "podlift.executionApi" . }}
  dags_folder: {{ include "podlift.dagsFolder" . }}
  load_examples: "False"
  {{- if eq .Values.authManager "fab" }}
  auth_manager: airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager
  {{- else if eq .Values.authManager "simple" }}
  auth_manager: airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager
  simple_auth_manager_users: {{ printf "%s:admin" .Values.adminUser.username | quote }}
  simple_auth_manager_passwords_file: {{ .Values.airflowHome }}/passwords/passwords.json
  {{- end }}
api:
  port: {{ .Values.apiServer.port | quote }}
  {{- with include "podlift.baseUrl" . }}
  base_url: {{ . }}
  {{- end }}
logging:
  base_log_folder: {{ .Values.airflowHome }}/logs
scheduler:
  # What the probes of the scheduler ask.
  enable_health_check: "True"
podlift:
  namespace: {{ include "podlift.taskNamespace" . }}
  in_cluster: "True"
  pod_template_file: {{ .Values.airflowHome }}/pod_templates/pod_template_file.yaml
  seal_secret_name: {{ include "podlift.sealSecret" . }}
  {{- if .Values.multiNamespaceMode }}
  multi_namespace_mode: "True"
  multi_namespace_mode_namespace_list: {{ join "," .Values.multiNamespaceModeNamespaceList | quote }}
  {{- end }}
{{- with .Values.dagProcessor.dagBundleConfigList }}
dag_processor:
  dag_bundle_config_list: {{ toJson . | quote }}
{{- else }}
{{- if eq "true" (include "podlift.pinsRuns" .) }}
dag_processor:
  dag_bundle_config_list: {{ include "podlift.syncedBundle" . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* AIRFLOW__SECTION__OPTION: value, of everything. A team's section is blue=podlift. */}}
{{- define "podlift.environment" -}}
{{- $own := fromYaml (include "podlift.ownConfig" .) }}
{{- $all := mustMergeOverwrite $own (deepCopy .Values.config) }}
{{- range $section, $options := $all }}
{{- range $option, $value := $options }}
{{- if not (kindIs "invalid" $value) }}
{{- $section := $section | replace "=" "___" | replace "." "_" | upper }}
{{- $text := ternary (tpl (toString $value) $) (toJson $value) (not (or (kindIs "map" $value) (kindIs "slice" $value))) }}
{{ printf "AIRFLOW__%s__%s" $section (upper $option) }}: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Variables from Secrets. Takes root, needs (a list of fernet, database, api, jwt). */}}
{{- define "podlift.secretEnvironment" -}}
{{- $known := dict
  "fernet" (list "AIRFLOW__CORE__FERNET_KEY" (include "podlift.fernetSecret" .root) "fernet-key")
  "database" (list "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" (include "podlift.metadataSecret" .root) "connection")
  "api" (list "AIRFLOW__API__SECRET_KEY" (include "podlift.apiSecret" .root) "api-secret-key")
  "jwt" (list "AIRFLOW__API_AUTH__JWT_SECRET" (include "podlift.jwtSecret" .root) "jwt-secret")
-}}
{{- range .needs }}
{{- $entry := get $known . }}
- name: {{ index $entry 0 }}
  valueFrom: {secretKeyRef: {name: {{ index $entry 1 }}, key: {{ index $entry 2 }}}}
{{- end }}
{{- end }}

{{/* Variables that all containers with Airflow in them have, task pods too. */}}
{{- define "podlift.commonEnvironment" -}}
{{- range .Values.secret }}
- name: {{ .envName }}
  valueFrom: {secretKeyRef: {name: {{ .secretName }}, key: {{ .secretKey }}}}
{{- end }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- with .Values.extraEnv }}
{{ tpl (toYaml .) $ }}
{{- end }}
{{- end }}
