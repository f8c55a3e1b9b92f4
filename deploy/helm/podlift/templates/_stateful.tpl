{{/* A component that may have a volume for its logs: a StatefulSet with it, a Deployment without.
     Takes root, component, values, port (of its log server), pod (the pod template). */}}
{{- define "podlift.withLogs" -}}
{{- $name := printf "%s-%s" (include "podlift.fullname" .root) .component }}
{{- $own := eq "true" (include "podlift.ownLogs" .) }}
apiVersion: apps/v1
kind: {{ ternary "StatefulSet" "Deployment" $own }}
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "podlift.labels" . | nindent 4 }}
  {{- with .values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not .values.hpa.enabled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  selector:
    matchLabels: {{- include "podlift.selector" . | nindent 6 }}
  {{- if $own }}
  # Gives each pod a name of its own in DNS, by which the API server asks it for logs.
  serviceName: {{ $name }}
  podManagementPolicy: Parallel
  {{- with .values.updateStrategy }}
  updateStrategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- else }}
  {{- with .values.strategy }}
  strategy: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  template:
    {{- include "podlift.podTemplate" .pod | trim | nindent 4 }}
  {{- if $own }}
  volumeClaimTemplates:
    - metadata:
        name: logs
        labels: {{- include "podlift.selector" . | nindent 10 }}
        {{- with .values.persistence.annotations }}
        annotations: {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .values.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .values.persistence.size }}
  {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "podlift.labels" . | nindent 4 }}
spec:
  clusterIP: None
  # Logs can be read of a scheduler or triggerer that is just starting, too.
  publishNotReadyAddresses: true
  selector: {{- include "podlift.selector" . | nindent 4 }}
  ports:
    - {name: logs, port: {{ .port }}, targetPort: logs}
{{- end }}

{{/* Whether each pod has a volume of its own for logs. Takes root, values. */}}
{{- define "podlift.ownLogs" -}}
{{- and .values.persistence.enabled (not .root.Values.logs.persistence.enabled) -}}
{{- end }}

{{/* By which name others reach the pod: that of the StatefulSet's DNS, or its address. */}}
{{- define "podlift.hostname" -}}
{{- if ne "true" (include "podlift.ownLogs" .) -}}
[{"name": "AIRFLOW__CORE__HOSTNAME_CALLABLE", "value": "airflow.utils.net.get_host_ip_address"}]
{{- else -}}
[]
{{- end -}}
{{- end }}
