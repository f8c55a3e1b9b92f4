{{/* How DAGs come into a pod. */}}

{{- define "podlift.dagsMountPath" -}}
{{- .Values.dags.mountPath | default (printf "%s/dags" .Values.airflowHome) -}}
{{- end }}

{{- define "podlift.dagsFolder" -}}
{{- $path := include "podlift.dagsMountPath" . -}}
{{- if .Values.dags.gitSync.enabled -}}
{{- list $path "repo" .Values.dags.gitSync.subPath | compact | join "/" -}}
{{- else -}}
{{- $path -}}
{{- end -}}
{{- end }}

{{/* What git-sync follows. */}}
{{- define "podlift.gitRef" -}}
{{- .Values.dags.gitSync.rev | default .Values.dags.gitSync.branch -}}
{{- end }}

{{/* Whether a run's tasks get the commit with which it began: then Airflow is told of commits. Whoever
     has bundles of his own may have versions of another repository. */}}
{{- define "podlift.pinsRuns" -}}
{{- $sync := .Values.dags.gitSync -}}
{{- $bundles := or .Values.dagProcessor.dagBundleConfigList (hasKey (.Values.config.dag_processor | default dict) "dag_bundle_config_list") -}}
{{- and $sync.enabled $sync.pinRuns (empty $bundles) -}}
{{- end }}

{{/* The bundle of that. Its name is what Airflow calls the DAGs of a folder. */}}
{{- define "podlift.syncedBundle" -}}
{{- list (dict
  "name" "dags-folder"
  "classpath" "podlift.bundles.GitSyncDagBundle"
  "kwargs" (dict
    "link" (printf "%s/repo" (include "podlift.dagsMountPath" .))
    "subdir" .Values.dags.gitSync.subPath
    "refresh_interval" 10
  )) | toJson -}}
{{- end }}

{{- define "podlift.dagsMounts" -}}
{{- if .Values.dags.persistence.enabled }}
- name: dags
  mountPath: {{ include "podlift.dagsMountPath" . }}
  {{- with .Values.dags.persistence.subPath }}
  subPath: {{ . }}
  {{- end }}
  readOnly: true
{{- else if .Values.dags.gitSync.enabled }}
- name: dags
  mountPath: {{ include "podlift.dagsMountPath" . }}
  readOnly: true
{{- end }}
{{- end }}

{{- define "podlift.dagsVolumes" -}}
{{- if .Values.dags.persistence.enabled }}
- name: dags
  persistentVolumeClaim: {claimName: {{ include "podlift.dagsClaim" . }}, readOnly: true}
{{- else if .Values.dags.gitSync.enabled }}
- name: dags
  emptyDir: {}
- name: git-sync-tmp
  emptyDir: {}
{{- with .Values.dags.gitSync.sshKeySecret }}
- name: git-ssh-key
  # Not readable for all, or ssh does not take it; the pod's fsGroup may read it.
  secret: {secretName: {{ . }}, defaultMode: 288}
{{- end }}
{{- if .Values.dags.gitSync.knownHosts }}
- name: git-known-hosts
  configMap: {name: {{ include "podlift.fullname" . }}-known-hosts}
{{- end }}
{{- end }}
{{- end }}

{{/* The container that fetches DAGs, a native sidecar or, for a task, one that ends.
     Takes root, once. */}}
{{- define "podlift.gitSync" -}}
{{- with .root.Values.dags.gitSync }}
- name: {{ ternary "git-sync-init" "git-sync" $.once }}
  image: {{ include "podlift.image" (dict "image" $.root.Values.images.gitSync "tag" "") }}
  imagePullPolicy: {{ $.root.Values.images.gitSync.pullPolicy }}
  {{- if not $.once }}
  # A sidecar: it starts before the other containers, and runs beside them.
  restartPolicy: Always
  {{- end }}
  env:
    - {name: GITSYNC_REPO, value: {{ .repo | quote }}}
    {{- if and $.once (eq "true" (include "podlift.pinsRuns" $.root)) }}
    # The executor writes there what the run began with; the template says what to fetch for the others.
    - name: GITSYNC_REF
      valueFrom: {fieldRef: {fieldPath: "metadata.annotations['podlift.dev/bundle-version']"}}
    {{- else }}
    - {name: GITSYNC_REF, value: {{ include "podlift.gitRef" $.root | quote }}}
    {{- end }}
    - {name: GITSYNC_DEPTH, value: {{ .depth | quote }}}
    - {name: GITSYNC_SUBMODULES, value: {{ .submodules | quote }}}
    - {name: GITSYNC_ROOT, value: /git}
    - {name: GITSYNC_LINK, value: repo}
    # The user has no entry in /etc/passwd, which ssh wants.
    - {name: GITSYNC_ADD_USER, value: "true"}
    - {name: GITSYNC_MAX_FAILURES, value: {{ .maxFailures | quote }}}
    {{- if $.once }}
    - {name: GITSYNC_ONE_TIME, value: "true"}
    {{- else }}
    - {name: GITSYNC_PERIOD, value: {{ .period | quote }}}
    # What is being read must not vanish when the branch goes on.
    - {name: GITSYNC_STALE_WORKTREE_TIMEOUT, value: {{ .keepRevisions | quote }}}
    - {name: GITSYNC_HTTP_BIND, value: ":1234"}
    {{- end }}
    {{- if .sshKeySecret }}
    - {name: GITSYNC_SSH_KEY_FILE, value: /etc/git-secret/gitSshKey}
    - {name: GITSYNC_SSH_KNOWN_HOSTS, value: {{ not (empty .knownHosts) | quote }}}
    {{- if .knownHosts }}
    - {name: GITSYNC_SSH_KNOWN_HOSTS_FILE, value: /etc/git-known-hosts/known_hosts}
    {{- end }}
    {{- end }}
    {{- with .credentialsSecret }}
    - name: GITSYNC_USERNAME
      valueFrom: {secretKeyRef: {name: {{ . }}, key: GITSYNC_USERNAME}}
    - name: GITSYNC_PASSWORD
      valueFrom: {secretKeyRef: {name: {{ . }}, key: GITSYNC_PASSWORD}}
    {{- end }}
    {{- with .env }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if not $.once }}
  ports:
    - {name: git-sync, containerPort: 1234}
  # Answers once the DAGs are there; the other containers wait for that.
  startupProbe:
    httpGet: {path: /, port: git-sync}
    periodSeconds: 2
    failureThreshold: 150
  livenessProbe:
    httpGet: {path: /, port: git-sync}
    periodSeconds: 30
    failureThreshold: 10
  {{- end }}
  resources: {{- toYaml .resources | nindent 4 }}
  securityContext:
    runAsUser: {{ .uid }}
    {{- include "podlift.containerSecurity" (dict "readOnly" false) | nindent 4 }}
  volumeMounts:
    - {name: dags, mountPath: /git}
    - {name: git-sync-tmp, mountPath: /tmp}
    {{- if .sshKeySecret }}
    - {name: git-ssh-key, mountPath: /etc/git-secret, readOnly: true}
    {{- end }}
    {{- if .knownHosts }}
    - {name: git-known-hosts, mountPath: /etc/git-known-hosts, readOnly: true}
    {{- end }}
    {{- with .extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
