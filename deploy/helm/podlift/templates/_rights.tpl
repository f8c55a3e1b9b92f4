{{/* Whether tasks and triggers talk to Kubernetes. */}}
{{- define "podlift.launches" -}}
{{- or .Values.allowPodLaunching .Values.allowJobLaunching (not (empty .Values.workers.extraRules)) -}}
{{- end }}

{{/* Takes root, makesSeals: whether it has to make the Secret with the sealing key. */}}
{{- define "podlift.executorRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs:
    - create # a pod for every task
    - get # to look at one pod again, where a watch has not said enough
    - list # to find all of them when the scheduler starts
    - watch # to hear what becomes of them
    - patch # to write on the pods of a scheduler that is gone who looks after them now
    - delete # once they have ended and their log is kept
- apiGroups: [""]
  resources: [pods/log]
  verbs:
    - get # to keep a log before its pod goes
- apiGroups: [""]
  resources: [events]
  verbs:
    - list # to say why a pod does not start
- apiGroups: [""]
  resources: [secrets]
  resourceNames: [{{ include "podlift.sealSecret" .root }}]
  verbs:
    - get # the key that workloads are sealed with, and no other Secret
{{- if .makesSeals }}
- apiGroups: [""]
  resources: [secrets]
  verbs:
    - create # that Secret, in a namespace that has none yet
{{- end }}
{{- end }}

{{- define "podlift.apiServerRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs:
    - get # the pod of a task that somebody looks at
    - list # to find it by its labels
- apiGroups: [""]
  resources: [pods/log]
  verbs:
    - get # the log of a task that runs
- apiGroups: [""]
  resources: [events]
  verbs:
    - list # what a pending pod waits for
{{- end }}

{{- define "podlift.operatorRules" -}}
{{- if or .Values.allowPodLaunching .Values.allowJobLaunching }}
- apiGroups: [""]
  resources: [pods]
  verbs:
    {{- if .Values.allowPodLaunching }}
    - create # the operator's pod
    - delete # once it has ended, or its task was stopped
    {{- end }}
    {{- if .Values.allowJobLaunching }}
    - deletecollection # the pods of a Job whose task was stopped
    {{- end }}
    - get # to judge how it ended
    - list # to find the pod of an earlier try
    - watch # to hear what becomes of it
    - patch # to note on it how far its log was told
- apiGroups: [""]
  resources: [pods/log]
  verbs:
    - get # its output becomes the task's log
- apiGroups: [""]
  resources: [events]
  verbs:
    - list # why it does not start
    - watch # the same, as it happens
{{- end }}
{{- if .Values.allowJobLaunching }}
- apiGroups: [batch]
  resources: [jobs]
  verbs:
    - create # the operator's Job
    - get # to judge how it ended
    - list # to find the Job of an earlier try
    - watch # to hear what becomes of it
    - patch # KubernetesPatchJobOperator: suspend, resume
    - delete # once it has ended, or its task was stopped
{{- end }}
{{- with .Values.workers.extraRules }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A RoleBinding, or ClusterRoleBinding. Takes root, component, values, role, cluster, namespace,
     from (where the service account is). */}}
{{- define "podlift.binding" -}}
{{- $name := printf "%s-%s" (include "podlift.fullname" .root) .component }}
{{- $role := printf "%s-%s" (include "podlift.fullname" .root) .role }}
{{- $release := .root.Release.Namespace }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "ClusterRoleBinding" "RoleBinding" .cluster }}
metadata:
  name: {{ ternary (printf "%s-%s" $release $name) $name .cluster }}
  {{- if not .cluster }}
  namespace: {{ .namespace }}
  {{- end }}
  labels: {{- include "podlift.labels" . | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ ternary "ClusterRole" "Role" .cluster }}
  name: {{ ternary (printf "%s-%s" $release $role) $role .cluster }}
subjects:
  - kind: ServiceAccount
    name: {{ include "podlift.serviceAccount" . }}
    namespace: {{ .from | default $release }}
{{- end }}
