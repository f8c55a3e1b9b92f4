{{/* What the pods of all components have in common. */}}

{{/* Takes readOnly, and override (of the values), which wins. */}}
{{- define "podlift.containerSecurity" -}}
{{- $own := dict
  "allowPrivilegeEscalation" false
  "readOnlyRootFilesystem" .readOnly
  "capabilities" (dict "drop" (list "ALL"))
-}}
{{- toYaml (mustMergeOverwrite $own (deepCopy (.override | default dict))) }}
{{- end }}

{{/* Takes user, group, fsGroup, override. Pod Security level "restricted". */}}
{{- define "podlift.podSecurity" -}}
{{- $own := dict
  "runAsNonRoot" true
  "runAsUser" .user
  "runAsGroup" .group
  "fsGroup" .group
  "fsGroupChangePolicy" "OnRootMismatch"
  "seccompProfile" (dict "type" "RuntimeDefault")
-}}
{{- toYaml (mustMergeOverwrite $own (deepCopy (.override | default dict))) }}
{{- end }}

{{/* What the file system of a container with Airflow in it consists of, beside the image. */}}
{{- define "podlift.airflowMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: logs, mountPath: {{ .Values.airflowHome }}/logs}
# Airflow writes a file of defaults where there is none.
- {name: airflow-cfg, mountPath: {{ .Values.airflowHome }}/airflow.cfg, subPath: airflow.cfg, readOnly: true}
{{- if .Values.airflowLocalSettings }}
- {name: airflow-cfg, mountPath: {{ .Values.airflowHome }}/config/airflow_local_settings.py, subPath: airflow_local_settings.py, readOnly: true}
{{- end }}
{{- with .Values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Takes root, ownLogs (the pod brings a volume called logs itself). */}}
{{- define "podlift.airflowVolumes" -}}
- name: tmp
  emptyDir: {}
{{- if .root.Values.logs.persistence.enabled }}
- name: logs
  persistentVolumeClaim: {claimName: {{ include "podlift.logsClaim" .root }}}
{{- else if not .ownLogs }}
- name: logs
  emptyDir: {}
{{- end }}
- name: airflow-cfg
  configMap: {name: {{ include "podlift.fullname" .root }}-files}
{{- with .root.Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Volumes of a pod that writes no logs that anybody will look for. */}}
{{- define "podlift.jobVolumes" -}}
- name: tmp
  emptyDir: {}
- name: logs
  emptyDir: {}
- name: airflow-cfg
  configMap: {name: {{ include "podlift.fullname" . }}-files}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Where pods may run. Takes root, values (of the component). */}}
{{- define "podlift.placement" -}}
{{- range $field := list "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" }}
{{- with get $.values $field | default (get $.root.Values $field) }}
{{ $field }}: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Waits until the database is there and has the tables of this version. Takes root, values. */}}
{{- define "podlift.waitForMigrations" -}}
{{- if .values.waitForMigrations.enabled }}
- name: wait-for-migrations
  image: {{ include "podlift.airflowImage" .root }}
  imagePullPolicy: {{ .root.Values.images.airflow.pullPolicy }}
  {{- $seconds := .root.Values.images.migrationsWaitTimeout }}
  command: [python, /etc/podlift/wait.py, {{ $seconds | quote }}, airflow, db, check-migrations, --migration-wait-timeout={{ $seconds }}]
  {{- include "podlift.airflowEnvironment" (dict "root" .root "needs" (list "database")) | nindent 2 }}
  resources: {{- toYaml .values.resources | nindent 4 }}
  securityContext: {{- include "podlift.containerSecurity" (dict "readOnly" true "override" .values.securityContexts.container) | nindent 4 }}
  volumeMounts:
    {{- include "podlift.filesMount" . | nindent 4 }}
    {{- include "podlift.airflowMounts" .root | nindent 4 }}
{{- end }}
{{- end }}

{{/* The chart's own programs. */}}
{{- define "podlift.filesMount" -}}
- {name: airflow-cfg, mountPath: /etc/podlift, readOnly: true}
{{- end }}

{{/* envFrom and env. Takes root, needs, values (of the component), more (further variables). */}}
{{- define "podlift.airflowEnvironment" -}}
envFrom:
  - configMapRef: {name: {{ include "podlift.fullname" .root }}-config}
  {{- with .root.Values.extraEnvFrom }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
  {{- with (.values | default dict).extraEnvFrom }}
  {{- tpl (toYaml .) $.root | nindent 2 }}
  {{- end }}
{{- with include "podlift.variables" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "podlift.variables" -}}
{{- include "podlift.secretEnvironment" . }}
{{- with .more }}
{{ toYaml . }}
{{- end }}
{{- include "podlift.commonEnvironment" .root }}
{{- with (.values | default dict).env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* So that a changed configuration restarts what reads it. */}}
{{- define "podlift.checksums" -}}
checksum/config: {{ include "podlift.environment" . | sha256sum }}
checksum/files: {{ include (print .Template.BasePath "/files.yaml") . | sha256sum }}
{{- end }}

{{/* The pod of a long-running component. Takes root, component, values, args, needs, and where
     there are any: more (variables), ports, probes, mounts, volumes, init, dags, kube (talks to
     Kubernetes), ownLogs. */}}
{{- define "podlift.podTemplate" -}}
{{- $root := .root }}
{{- $values := .values }}
metadata:
  labels:
    {{- include "podlift.selector" . | nindent 4 }}
    {{- with $root.Values.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- include "podlift.checksums" $root | nindent 4 }}
    {{- with $root.Values.airflowPodAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "podlift.serviceAccount" . }}
  automountServiceAccountToken: {{ .kube | default false }}
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  {{- with include "podlift.placement" . | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  securityContext: {{- include "podlift.podSecurity" (dict "user" $root.Values.uid "group" $root.Values.gid "override" $values.securityContexts.pod) | nindent 4 }}
  {{- with include "podlift.initContainers" . | trim }}
  initContainers:
    {{- . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      image: {{ include "podlift.airflowImage" $root }}
      imagePullPolicy: {{ $root.Values.images.airflow.pullPolicy }}
      {{- with $values.command }}
      command: {{- toYaml . | nindent 8 }}
      {{- end }}
      args: {{- toYaml ($values.args | default .args) | nindent 8 }}
      {{- include "podlift.airflowEnvironment" . | nindent 6 }}
      {{- with .ports }}
      ports: {{- . | nindent 8 }}
      {{- end }}
      {{- with .probes }}
      {{- . | nindent 6 }}
      {{- end }}
      resources: {{- toYaml $values.resources | nindent 8 }}
      securityContext: {{- include "podlift.containerSecurity" (dict "readOnly" true "override" $values.securityContexts.container) | nindent 8 }}
      volumeMounts:
        {{- include "podlift.airflowMounts" $root | nindent 8 }}
        {{- if .dags }}
        {{- with include "podlift.dagsMounts" $root | trim }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- end }}
        {{- with .mounts }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- with $values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    {{- with $values.extraContainers }}
    {{- tpl (toYaml .) $root | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "podlift.airflowVolumes" . | nindent 4 }}
    {{- if .dags }}
    {{- with include "podlift.dagsVolumes" $root | trim }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- end }}
    {{- with .volumes }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with $values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{- define "podlift.initContainers" -}}
{{- if and .dags .root.Values.dags.gitSync.enabled }}
{{- include "podlift.gitSync" (dict "root" .root "once" false) }}
{{- end }}
{{- include "podlift.waitForMigrations" . }}
{{- with .init }}
{{ . }}
{{- end }}
{{- with .values.extraInitContainers }}
{{ tpl (toYaml .) $.root }}
{{- end }}
{{- end }}

{{/* A probe's numbers. */}}
{{- define "podlift.probeTimes" -}}
periodSeconds: {{ .periodSeconds }}
timeoutSeconds: {{ .timeoutSeconds }}
failureThreshold: {{ .failureThreshold }}
{{- with .initialDelaySeconds }}
initialDelaySeconds: {{ . }}
{{- end }}
{{- end }}
