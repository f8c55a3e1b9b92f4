{{/* 32 random bytes, url-safe base64: what Fernet takes. */}}
{{- define "podlift.newKey" -}}
{{- randBytes 32 | replace "+" "-" | replace "/" "_" -}}
{{- end }}

{{/* A Secret. What the cluster has of it stays, unless the values give it. Takes root, name,
     component, entries, given (whether the values give it), keep (not removed with the release),
     namespace. */}}
{{- define "podlift.secret" -}}
{{- $namespace := .namespace | default .root.Release.Namespace }}
{{- $found := (lookup "v1" "Secret" $namespace .name).data | default dict }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels: {{- include "podlift.labels" . | nindent 4 }}
  {{- if .keep }}
  annotations:
    # Without it, what the database's claim holds could not be read any more.
    helm.sh/resource-policy: keep
  {{- end }}
type: Opaque
data:
  {{- range $key, $value := .entries }}
  {{ $key }}: {{ if and (not $.given) (hasKey $found $key) }}{{ get $found $key }}{{ else }}{{ $value | b64enc }}{{ end }}
  {{- end }}
{{ end }}
