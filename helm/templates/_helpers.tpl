{{- define "elder.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels that select pods; they never change over upgrades. Call with (list $ component [colour]). */}}
{{- define "elder.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: elder
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- if and (gt (len .) 2) (ne (last .) "single") }}
elder/colour: {{ last . }}
{{- end }}
{{- end -}}

{{- define "elder.labels" -}}
{{- $ := index . 0 -}}
{{ include "elder.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | quote }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Annotations of what the migration needs, where Argo CD orders objects by waves. */}}
{{- define "elder.firstWave" -}}
{{- if .Values.argoCd.enabled -}}
argocd.argoproj.io/sync-wave: "-2"
{{- end -}}
{{- end -}}

{{/* The image; call with (list $ tag), where the tag may be empty. */}}
{{- define "elder.image" -}}
{{- $ := index . 0 -}}
{{- $tag := index . 1 | default $.Values.image.tag | default $.Chart.AppVersion -}}
{{- if and $.Values.image.digest (not (index . 1)) -}}
{{ $.Values.image.repository }}@{{ $.Values.image.digest }}
{{- else -}}
{{ $.Values.image.repository }}:{{ $tag }}
{{- end -}}
{{- end -}}

{{- define "elder.databaseUrl" -}}
{{- $host := required "database.host is required: the chart brings no database" .Values.database.host -}}
postgresql://{{ .Values.database.user }}@{{ $host }}:{{ .Values.database.port }}/{{ .Values.database.name }}?sslmode={{ .Values.database.sslmode }}
{{- end -}}

{{- define "elder.databaseSecret" -}}
{{- required "database.existingSecret is required: name the secret that holds the password" .Values.database.existingSecret -}}
{{- end -}}

{{/* Settings of every pod, runs and steps included, as names to values. They hold no secret. */}}
{{- define "elder.settings" -}}
ELDER_HOME: /var/lib/elder
DAGSTER_HOME: /opt/dagster/home
DAGSTER_DISABLE_TELEMETRY: "1"
HOME: /tmp
ELDER_DATABASE_URL: {{ include "elder.databaseUrl" . | quote }}
{{- /* Dagster names no schema, and the role's own name would lead it into Elder's. */}}
PGOPTIONS: -c search_path=public
ELDER_KUBERNETES_NAMESPACE: {{ .Release.Namespace | quote }}
ELDER_KUBERNETES_IMAGE: {{ include "elder.image" (list . "") | quote }}
ELDER_MAX_CONCURRENT_RUNS: {{ .Values.audits.maxConcurrent | quote }}
{{- if .Values.audits.forecastMaxConcurrent }}
ELDER_FORECAST_RUNS_MAX: {{ .Values.audits.forecastMaxConcurrent | quote }}
{{- end }}
ELDER_TEAM_RUNS_MAX: {{ .Values.audits.perTeam | quote }}
ELDER_HOST_RUNS_MAX: {{ .Values.audits.perGitHost | quote }}
ELDER_STEP_PODS: {{ ternary "1" "0" .Values.audits.stepPods | quote }}
{{- if .Values.publicUrl }}
ELDER_PUBLIC_URL: {{ .Values.publicUrl | quote }}
{{- end }}
{{- with include "elder.factsDepot" . }}
ELDER_FACTS_DEPOT: {{ . | quote }}
{{- end }}
{{- if and .Values.backup.enabled .Values.backup.maxAgeMinutes }}
ELDER_BACKUP_MINUTES_MAX: {{ .Values.backup.maxAgeMinutes | int | quote }}
{{- end }}
{{- if .Values.canary.share }}
ELDER_CANARY_SHARE: {{ .Values.canary.share | quote }}
ELDER_CANARY_RULER: /etc/elder/ruler.json
{{- end }}
{{- range $name, $value := omit .Values.settings (ternary "ELDER_BACKUP_MINUTES_MAX" "" (and .Values.backup.enabled (gt (int .Values.backup.maxAgeMinutes) 0))) }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* Address of the facts depot; empty without one. */}}
{{- define "elder.factsDepot" -}}
{{- if and .Values.factsDepot.url .Values.factsDepot.existingClaim }}
{{- fail "factsDepot.url or factsDepot.existingClaim, not both" }}
{{- end -}}
{{- if .Values.factsDepot.existingClaim -}}file:///var/lib/elder-depot{{- else -}}{{ .Values.factsDepot.url }}{{- end -}}
{{- end -}}

{{- define "elder.passwordEnv" -}}
- name: PGPASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ include "elder.databaseSecret" . }}
      key: {{ .Values.database.passwordKey }}
{{- end -}}

{{/* Environment of a container of the chart. */}}
{{- define "elder.env" -}}
envFrom:
  - configMapRef:
      name: {{ include "elder.fullname" . }}-settings
  - secretRef:
      name: {{ required "secrets.existingSecret is required: it holds ELDER_SECRET_KEY, the same for every pod" .Values.secrets.existingSecret }}
env:
  {{- include "elder.passwordEnv" . | nindent 2 }}
  {{- with .Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- /* Lines of Dagster's servers as those of Elder; runs have a logger of ours. */}}
{{- define "elder.logFormat" -}}
{{- if eq (get .Values.settings "ELDER_LOG") "json" -}}
- --log-format=json
{{- end -}}
{{- end -}}

{{- define "elder.containerSecurity" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: {{ .Values.pods.user | int }}
runAsGroup: {{ .Values.pods.user | int }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "elder.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.pods.user | int }}
runAsGroup: {{ .Values.pods.user | int }}
fsGroup: {{ .Values.pods.user | int }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "elder.mounts" -}}
- name: tmp
  mountPath: /tmp
- name: state
  mountPath: /var/lib/elder
{{- if .Values.canary.share }}
- name: ruler
  mountPath: /etc/elder
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "elder.dagsterMounts" -}}
- name: dagster
  mountPath: /opt/dagster/home/dagster.yaml
  subPath: dagster.yaml
  readOnly: true
- name: dagster
  mountPath: /opt/dagster/home/workspace.yaml
  subPath: workspace.yaml
  readOnly: true
{{- end -}}

{{- define "elder.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: {{ .Values.pods.tmpSize }}
- name: state
  emptyDir:
    sizeLimit: {{ .Values.pods.stateSize }}
- name: dagster
  configMap:
    name: {{ include "elder.fullname" . }}-dagster
{{- if .Values.canary.share }}
- name: ruler
  configMap:
    name: {{ include "elder.fullname" . }}-ruler
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What every pod template of the chart begins with: metadata. Call with (list $ component). */}}
{{- define "elder.podMetadata" -}}
{{- $ := index . 0 -}}
labels:
  {{- include "elder.labels" . | nindent 2 }}
annotations:
  checksum/dagster: {{ include (print $.Template.BasePath "/configmap-dagster.yaml") $ | sha256sum }}
  checksum/settings: {{ include (print $.Template.BasePath "/configmap-settings.yaml") $ | sha256sum }}
  {{- with $.Values.pods.annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Security, place and account of a pod. Call with (list $ component account); only accounts
that have a Role get a token. */}}
{{- define "elder.podSpec" -}}
{{- $ := index . 0 -}}
{{- $account := index . 2 -}}
serviceAccountName: {{ include "elder.fullname" $ }}-{{ $account | default "service" }}
automountServiceAccountToken: {{ has $account (list "webserver" "daemon" "janitor") }}
securityContext:
  {{- include "elder.podSecurity" $ | nindent 2 }}
{{- with $.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.pods.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.pods.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.pods.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $.Values.pods.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* Call with (list $ component). */}}
{{- define "elder.spread" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- if $.Values.spread.enabled }}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "elder.selector" (list $ $component) | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Colours of the services' Deployments: one without a name, or blue and green. */}}
{{- define "elder.colours" -}}
{{- if eq .Values.rollout.strategy "blue-green" -}}blue green{{- else -}}single{{- end -}}
{{- end -}}

{{/* Disruption budget and autoscaler of a service. Call with (list $ component values). */}}
{{- define "elder.guards" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
{{- $values := index . 2 -}}
{{- $name := printf "%s-%s" (include "elder.fullname" $) $component -}}
{{- $autoscaling := get $values "autoscaling" | default dict -}}
{{- $isScaled := eq (toString (get $autoscaling "enabled")) "true" -}}
{{- $fewest := ternary (get $autoscaling "minReplicas") $values.replicas $isScaled | int -}}
{{- if and $.Values.podDisruptionBudget.enabled (gt $fewest 1) }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "elder.labels" (list $ $component) | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "elder.selector" (list $ $component) | nindent 6 }}
{{- end }}
{{- if $isScaled }}
{{- range $colour := splitList " " (ternary "single" (include "elder.colours" $) (eq $component "webserver")) }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}{{ if ne $colour "single" }}-{{ $colour }}{{ end }}
  labels:
    {{- include "elder.labels" (list $ $component) | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ $name }}{{ if ne $colour "single" }}-{{ $colour }}{{ end }}
  minReplicas: {{ $autoscaling.minReplicas }}
  maxReplicas: {{ $autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $autoscaling.cpuPercent }}}
{{- end }}
{{- end }}
{{- end -}}
