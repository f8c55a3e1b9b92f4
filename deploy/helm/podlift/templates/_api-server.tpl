{{/* Asking for the version asks no database: a database that is away restarts no API server. */}}
{{- define "podlift.apiServerProbes" -}}
startupProbe:
  httpGet: {path: {{ .path }}/api/v2/version, port: http}
  {{- include "podlift.probeTimes" .values.startupProbe | nindent 2 }}
readinessProbe:
  httpGet: {path: {{ .path }}/api/v2/version, port: http}
  {{- include "podlift.probeTimes" .values.readinessProbe | nindent 2 }}
livenessProbe:
  httpGet: {path: {{ .path }}/api/v2/version, port: http}
  {{- include "podlift.probeTimes" .values.livenessProbe | nindent 2 }}
{{- end }}

{{/* Airflow's simple auth manager wants its passwords in a file that it may write. */}}
{{- define "podlift.passwords" -}}
- name: passwords
  image: {{ include "podlift.airflowImage" . }}
  imagePullPolicy: {{ .Values.images.airflow.pullPolicy }}
  command:
    - python
    - -c
    - |
      import json, os
      user, password = os.environ["ADMIN_USER"], os.environ["ADMIN_PASSWORD"]
      with open("{{ .Values.airflowHome }}/passwords/passwords.json", "w") as file:
          json.dump({user: password}, file)
  env:
    - {name: ADMIN_USER, value: {{ .Values.adminUser.username | quote }}}
    - name: ADMIN_PASSWORD
      valueFrom: {secretKeyRef: {name: {{ include "podlift.adminSecret" . }}, key: password}}
  resources: {{- toYaml .Values.apiServer.resources | nindent 4 }}
  securityContext: {{- include "podlift.containerSecurity" (dict "readOnly" true "override" .Values.apiServer.securityContexts.container) | nindent 4 }}
  volumeMounts:
    - {name: passwords, mountPath: {{ .Values.airflowHome }}/passwords}
{{- end }}
