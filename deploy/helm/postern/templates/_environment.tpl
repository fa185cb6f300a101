{{- /* What a part is told by variables: what follows from the values, then what `env` says, which goes before that. */}}
{{- define "postern.environment" -}}
{{- /* Not `merge`: it takes an empty value for one that is not there. */}}
{{- $env := dict }}
{{- range list .root.Values.env (index .root.Values .name "env") }}
{{- range $name, $value := . }}{{ $_ := set $env $name $value }}{{ end }}
{{- end }}
{{- range include (ternary "postern.edgeVariables" "postern.serviceVariables" (eq .name "edge")) . | fromYamlArray }}
{{- if not (hasKey $env .name) }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- range $name, $value := $env }}
- {{ dict "name" $name "value" $value | toJson }}
{{- end }}
{{- end }}

{{- define "postern.edgeVariables" -}}
{{- $values := .root.Values }}
{{- include "postern.bus" .root }}
- { name: POSTERN_NATS_SEED_FILE, value: {{ ternary "/node" "/secrets" $values.secrets.nodes }}/nats.seed }
- { name: POSTERN_EDGE_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
- { name: POSTERN_EDGE_ZONE, valueFrom: { fieldRef: { fieldPath: spec.nodeName } } }
- { name: POSTERN_EDGE_LINK_ADVERTISE_HOST, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
- { name: POSTERN_EDGE_OPS_HOST, value: 0.0.0.0 }
- { name: POSTERN_EDGE_DRAIN_GRACE_MS, value: {{ mul $values.edge.drainGraceSeconds 1000 | quote }} }
{{- with $values.edge.cloudDenied }}
- { name: POSTERN_EDGE_CLOUD_DENIED, value: {{ join "," . | quote }} }
{{- end }}
{{- with $values.service.loadBalancerIP }}
- { name: POSTERN_EDGE_CERTIFICATE_NAMES, value: {{ . | quote }} }
{{- end }}
{{- end }}

{{- define "postern.serviceVariables" -}}
{{- $values := .root.Values }}
{{- $made := ternary "/made" "/secrets" $values.secrets.create }}
{{- $admin := printf "%s-admin" .root.Release.Name }}
{{- $adminNames := printf "%s,%s.%s.svc" $admin $admin .root.Release.Namespace }}
{{- include "postern.bus" .root }}
- { name: POSTERN_NATS_SEED_FILE, value: /secrets/nats.seed }
- { name: POSTERN_{{ upper .name }}_OPS_HOST, value: 0.0.0.0 }
- { name: POSTERN_MONGODB_URL_FILE, value: /secrets/mongodb-url }
- { name: POSTERN_MONGODB_DATABASE, value: {{ printf "%s%s" $values.mongodb.database (ternary (print "_" .name) "" $values.mongodb.databasePerService) | quote }} }
- { name: POSTERN_MONGODB_CA_FILE, value: /secrets/ca.pem }
{{- if eq .name "acl" }}
- { name: POSTERN_ACL_FIRST_API_KEY_FILE, value: {{ $made }}/first-api-key }
{{- else if eq .name "certstore" }}
- { name: POSTERN_CERTSTORE_KEY_ENCRYPTION_KEY_FILE, value: {{ $made }}/key-encryption-key }
- { name: POSTERN_CERTSTORE_CERTIFICATE_NAMES, value: {{ $adminNames | quote }} }
{{- with $values.service.loadBalancerIP }}
- { name: POSTERN_CERTSTORE_CERTIFICATE_ADDRESSES, value: {{ . | quote }} }
{{- end }}
{{- else if eq .name "router" }}
- { name: POSTERN_ROUTER_FRONT_PORT_FIRST, value: {{ $values.frontPorts.first | quote }} }
- { name: POSTERN_ROUTER_FRONT_PORT_LAST, value: {{ $values.frontPorts.last | quote }} }
{{- else if eq .name "admin" }}
- { name: POSTERN_ADMIN_LISTEN_HOST, value: 0.0.0.0 }
- { name: POSTERN_ADMIN_CERTIFICATE_NAMES, value: {{ $adminNames | quote }} }
{{- end }}
{{- end }}

{{- define "postern.bus" -}}
- { name: POSTERN_NATS_URL, value: {{ .Values.nats.url | quote }} }
- { name: POSTERN_NATS_CA_FILE, value: /secrets/ca.pem }
- { name: POSTERN_PLATFORM_HOST, value: {{ .Values.platformHost | quote }} }
{{- if .Values.telemetry.endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .Values.telemetry.endpoint | quote }} }
- { name: OTEL_TRACES_SAMPLER_ARG, value: {{ .Values.telemetry.tracesSamplerArg | quote }} }
{{- end }}
{{- end }}
