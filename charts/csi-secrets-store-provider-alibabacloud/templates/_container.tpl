{{/* Each value of `provider` is the flag of the same name. What the driver takes at most, we give at most. */}}
{{- define "provider.flags" -}}
{{- $flags := deepCopy .Values.provider -}}
{{- $driver := index .Values "secrets-store-csi-driver" -}}
{{- $most := get $driver "maxCallRecvMsgSize" | default 4194304 | int64 -}}
{{- if and (not $flags.maxResponseBytes) $driver.install (ne $most 4194304) -}}
{{- $_ := set $flags "maxResponseBytes" (toString $most) -}}
{{- end -}}
{{ range $name, $value := $flags }}{{ $name }}: {{ ternary (int64 $value) $value (kindIs "float64" $value) | toString | quote }}
{{ end }}
{{- end -}}

{{- define "provider.args" -}}
- --provider-volume=/provider
- --healthz-port={{ .Values.linux.healthzPort }}
- {{ printf "--healthz-path=%s" .Values.linux.healthzPath | quote }}
- --healthz-timeout={{ .Values.linux.healthzTimeout }}
{{- with .Values.regionId }}
- {{ printf "--region=%s" . | quote }}
{{- end }}
{{- with .Values.logVerbosity }}
- -v={{ ternary (int64 .) . (kindIs "float64" .) }}
{{- end }}
{{- if .Values.logFormatJSON }}
- --log-format=json
{{- end }}
{{- range $name, $value := include "provider.flags" . | fromYaml }}
{{- if ne (toString $value) "" }}
- {{ printf "--%s=%s" (kebabcase $name) $value | quote }}
{{- end }}
{{- end }}
{{- range $name := list "kms" "oos" "sts" "metadata" }}
{{- with get $.Values.endpoints $name }}
- {{ printf "--%s-endpoint=%s" $name . | quote }}
{{- end }}
{{- end }}
{{- if .Values.kmsCA.configMap }}
- --kms-ca-file=/etc/provider/kms-ca/{{ .Values.kmsCA.key }}
{{- end }}
{{- if .Values.credentialsSecret }}
- --credentials-dir=/etc/provider/credentials
{{- end }}
{{- if include "provider.accessPolicy" . }}
- --access-policy=/etc/provider/access-policy/policy.yaml
{{- end }}
{{- range .Values.linux.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "provider.env" -}}
{{- range $name, $reference := .Values.envVarsFromSecret }}
{{- if and $reference $reference.secretKeyRef }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef:
      name: {{ $reference.secretKeyRef | quote }}
      key: {{ $reference.key | quote }}
{{- end }}
{{- end }}
{{- with .Values.rrsa.accountId }}
- name: ALICLOUD_ACCOUNT_ID
  value: {{ . | quote }}
{{- end }}
{{- with .Values.rrsa.clusterId }}
- name: ALICLOUD_CLUSTER_ID
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.httpsProxy }}
- name: HTTPS_PROXY
  value: {{ . | quote }}
{{- end }}
{{- with .Values.proxy.noProxy }}
- name: NO_PROXY
  value: {{ . | quote }}
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: SSL_CERT_FILE
  value: /etc/provider/trusted-ca/{{ .Values.trustedCA.key }}
{{- end }}
{{- with .Values.linux.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "provider.volumeMounts" -}}
- name: provider-vol
  mountPath: /provider
{{- if include "provider.mountsToken" . }}
- name: csi-secrets-store-provider-alibabacloud
  mountPath: /var/run/secrets/tokens
  readOnly: true
{{- end }}
{{- if .Values.credentialsSecret }}
- name: credentials
  mountPath: /etc/provider/credentials
  readOnly: true
{{- end }}
{{- if .Values.kmsCA.configMap }}
- name: kms-ca
  mountPath: /etc/provider/kms-ca
  readOnly: true
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: trusted-ca
  mountPath: /etc/provider/trusted-ca
  readOnly: true
{{- end }}
{{- if include "provider.accessPolicy" . }}
- name: access-policy
  mountPath: /etc/provider/access-policy
  readOnly: true
{{- end }}
{{- with .Values.linux.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "provider.volumes" -}}
- name: provider-vol
  hostPath:
    path: {{ .Values.linux.providersDir }}
    type: DirectoryOrCreate
{{- range $index, $directory := .Values.linux.additionalProvidersDirs }}
- name: additional-providers-{{ $index }}
  hostPath:
    path: {{ $directory }}
    type: DirectoryOrCreate
{{- end }}
{{- if include "provider.mountsToken" . }}
- name: csi-secrets-store-provider-alibabacloud
  projected:
    sources:
      - serviceAccountToken:
          path: csi-secrets-store-provider-alibabacloud
          expirationSeconds: 7200
          audience: sts.aliyuncs.com
{{- end }}
{{- with .Values.credentialsSecret }}
- name: credentials
  secret:
    secretName: {{ . }}
{{- end }}
{{- if .Values.kmsCA.configMap }}
- name: kms-ca
  configMap:
    name: {{ .Values.kmsCA.configMap }}
{{- end }}
{{- if .Values.trustedCA.configMap }}
- name: trusted-ca
  configMap:
    name: {{ .Values.trustedCA.configMap }}
    items:
      - key: {{ .Values.trustedCA.key }}
        path: {{ .Values.trustedCA.key }}
{{- end }}
{{- with include "provider.accessPolicy" . }}
- name: access-policy
  configMap:
    name: {{ . }}
{{- end }}
{{- with .Values.linux.volumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
