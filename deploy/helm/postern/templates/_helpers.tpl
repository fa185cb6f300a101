{{- define "postern.labels" -}}
app.kubernetes.io/name: postern
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "postern.selector" -}}
app.kubernetes.io/name: postern
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "postern.image" -}}
{{ .root.Values.image.registry }}/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- define "postern.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "postern.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "postern.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: { matchLabels: {{ include "postern.inline" . }} }
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector: { matchLabels: {{ include "postern.inline" . }} }
{{- end }}

{{- define "postern.inline" -}}
{ app.kubernetes.io/name: postern, app.kubernetes.io/instance: {{ .root.Release.Name }}, app.kubernetes.io/component: {{ .name }} }
{{- end }}

{{- define "postern.probes" -}}
# All of them start at once, on a busy node slowly: who is ended too soon only starts again.
startupProbe: { httpGet: { path: /healthz, port: ops }, periodSeconds: 2, failureThreshold: 90 }
livenessProbe: { httpGet: { path: /healthz, port: ops }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
readinessProbe: { httpGet: { path: /readyz, port: ops }, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2 }
{{- end }}

{{- /* Pods of this namespace but for nodes, which dial whatever a cloud destination says. */}}
{{- define "postern.neighbours" -}}
[{ podSelector: { matchExpressions: [{ key: app.kubernetes.io/component, operator: NotIn, values: [edge] }] } }]
{{- end }}

{{- /* What no schema says: values that are right alone and not together. */}}
{{- define "postern.check" -}}
{{- $first := int .Values.frontPorts.first }}
{{- $last := int .Values.frontPorts.last }}
{{- if lt $last $first }}
{{- fail (printf "frontPorts: last, %d, is before first, %d" $last $first) }}
{{- end }}
{{- range $port := list 80 443 9000 9001 9101 }}
{{- if and (le $first $port) (le $port $last) }}
{{- fail (printf "frontPorts: %d is among them, which is a node's own" $port) }}
{{- end }}
{{- end }}
{{- with .Values.edge }}
{{- if and .autoscaling.enabled (gt (int .replicas) (int .autoscaling.maxReplicas)) }}
{{- fail (printf "edge.replicas, %d, is more than edge.autoscaling.maxReplicas, %d" (int .replicas) (int .autoscaling.maxReplicas)) }}
{{- end }}
{{- end }}
{{- end }}
