{{- /* What the client is told by variables: what follows from the values, then what `env` says, which goes before that. */}}
{{- define "postern-client.environment" -}}
{{- $env := .Values.env | default dict }}
{{- range include "postern-client.variables" . | fromYamlArray }}
{{- if not (hasKey $env .name) }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- range $name, $value := $env }}
- {{ dict "name" $name "value" $value | toJson }}
{{- end }}
{{- end }}

{{- define "postern-client.variables" -}}
- { name: POSTERN_CLIENT_GATEWAY_IDS, value: {{ join "," .Values.gatewayIds | quote }} }
- { name: POSTERN_CLIENT_CONNECT, value: {{ .Values.connect | quote }} }
- { name: POSTERN_CLIENT_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
- { name: POSTERN_CLIENT_STATE, value: /state }
- { name: POSTERN_TOKEN_FILE, value: /secrets/token }
{{- with .Values.telemetry.endpoint }}
- { name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ . | quote }} }
{{- end }}
{{- if .Values.privateCa }}
- { name: POSTERN_CLIENT_CA, value: /secrets/ca.pem }
{{- end }}
{{- if .Values.accessList }}
- { name: POSTERN_CLIENT_ACL_FILE, value: /configuration/access-list }
{{- end }}
{{- if .Values.hosts }}
{{- $hosts := list }}
{{- range $name, $address := .Values.hosts }}{{ $hosts = append $hosts (printf "%s=%s" $name $address) }}{{ end }}
- { name: POSTERN_CLIENT_HOSTS, value: {{ join "," $hosts | quote }} }
{{- end }}
{{- if .Values.cloudPorts }}
- { name: POSTERN_CLIENT_LISTEN_HOST, value: 0.0.0.0 }
{{- end }}
{{- end }}
