{{/* The chart's name, for labels and the selector, as the official chart has it. */}}
{{- define "provider.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The DaemonSet's name, as the official chart has it. */}}
{{- define "provider.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The official chart has this name fixed: trust policies of RAM roles name it. */}}
{{- define "provider.serviceAccountName" -}}
csi-secrets-store-provider-alibabacloud
{{- end -}}

{{- define "provider.selectorLabels" -}}
app: {{ include "provider.name" . }}
{{- end -}}

{{- define "provider.labels" -}}
{{ include "provider.selectorLabels" . }}
app.kubernetes.io/name: {{ include "provider.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "provider.image" -}}
{{- $image := .Values.linux.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (printf "v%s" .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* Whether an environment variable is given, from a Secret or as it is: "true" or nothing. Takes root and name. */}}
{{- define "provider.hasVariable" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $found := false -}}
{{- $fromSecret := get ($root.Values.envVarsFromSecret | default dict) $name -}}
{{- if and $fromSecret $fromSecret.secretKeyRef -}}{{- $found = true -}}{{- end -}}
{{- range $root.Values.linux.env -}}
{{- if and (eq .name $name) (or .value .valueFrom) -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- if $found -}}true{{- end -}}
{{- end -}}

{{/* Half of a pair of variables: the name of the one that is there and of the one that is not, or nothing. What else
Secrets and ConfigMaps bring cannot be seen here, and allowIdentityFallback permits one without the other. Takes root and names. */}}
{{- define "provider.half" -}}
{{- $root := index . 0 -}}
{{- $first := include "provider.hasVariable" (list $root (index . 1)) -}}
{{- $second := include "provider.hasVariable" (list $root (index . 2)) -}}
{{- if and (ne $first $second) (not $root.Values.linux.envFrom) (ne (toString $root.Values.provider.allowIdentityFallback) "true") -}}
{{- ternary (printf "%s is set and %s is not" (index . 1) (index . 2)) (printf "%s is set and %s is not" (index . 2) (index . 1)) (eq $first "true") -}}
{{- end -}}
{{- end -}}

{{/* Whether an OIDC provider is configured. */}}
{{- define "provider.hasOIDC" -}}
{{- $rrsa := .Values.rrsa -}}
{{- $pair := and (or $rrsa.accountId (include "provider.hasVariable" (list . "ALICLOUD_ACCOUNT_ID"))) (or $rrsa.clusterId (include "provider.hasVariable" (list . "ALICLOUD_CLUSTER_ID"))) -}}
{{- if or $pair (include "provider.hasVariable" (list . "ALICLOUD_OIDC_PROVIDER_ARN")) -}}true{{- end -}}
{{- end -}}

{{/* Whether the provider needs its own token: as asked for, or because a role and an OIDC provider are configured. */}}
{{- define "provider.mountsToken" -}}
{{- if or .Values.rrsa.enable (and (include "provider.hasVariable" (list . "ALICLOUD_ROLE_ARN")) (include "provider.hasOIDC" .)) -}}true{{- end -}}
{{- end -}}

{{/* Whether the worker RAM role is the identity: nothing else is configured, and it is not switched off. */}}
{{- define "provider.isWorkerRole" -}}
{{- $other := or (include "provider.hasOIDC" .) (include "provider.hasVariable" (list . "ALICLOUD_ROLE_ARN")) (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) .Values.credentialsSecret -}}
{{- $unknown := .Values.linux.envFrom -}}
{{- if not (or $other $unknown (include "provider.hasVariable" (list . "ALIBABA_CLOUD_ECS_METADATA_DISABLED"))) -}}true{{- end -}}
{{- end -}}

{{- define "provider.hostNetwork" -}}
{{- $asked := toString .Values.linux.hostNetwork -}}
{{- if or (eq $asked "true") (and (eq $asked "auto") (include "provider.isWorkerRole" .)) -}}true{{- end -}}
{{- end -}}

{{- define "provider.dnsPolicy" -}}
{{- if ne .Values.linux.dnsPolicy "auto" -}}
{{ .Values.linux.dnsPolicy }}
{{- else if include "provider.hostNetwork" . -}}
ClusterFirstWithHostNet
{{- else -}}
ClusterFirst
{{- end -}}
{{- end -}}

{{- define "provider.updateStrategy" -}}
{{- if .Values.linux.updateStrategy -}}
{{ toYaml .Values.linux.updateStrategy }}
{{- else if include "provider.hostNetwork" . -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 0
  maxUnavailable: 1
{{- else -}}
type: RollingUpdate
rollingUpdate:
  maxSurge: 1
  maxUnavailable: 0
{{- end -}}
{{- end -}}

{{/* What both containers have. */}}
{{- define "provider.confinement" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Whether an init container has something to do. */}}
{{- define "provider.preparesDirectories" -}}
{{- if or .Values.linux.nonRoot .Values.linux.additionalProvidersDirs -}}true{{- end -}}
{{- end -}}

{{/* A quantity of Kubernetes or of the provider's flags in MiB, rounded down; 0 if it is none. */}}
{{- define "provider.mebibytes" -}}
{{- $text := toString . -}}
{{- if hasSuffix "GiB" $text -}}{{ mulf (trimSuffix "GiB" $text | float64) 1024 | int64 }}
{{- else if hasSuffix "Gi" $text -}}{{ mulf (trimSuffix "Gi" $text | float64) 1024 | int64 }}
{{- else if hasSuffix "G" $text -}}{{ divf (mulf (trimSuffix "G" $text | float64) 1000000000) 1048576 | int64 }}
{{- else if hasSuffix "MiB" $text -}}{{ trimSuffix "MiB" $text | float64 | int64 }}
{{- else if hasSuffix "Mi" $text -}}{{ trimSuffix "Mi" $text | float64 | int64 }}
{{- else if hasSuffix "M" $text -}}{{ divf (mulf (trimSuffix "M" $text | float64) 1000000) 1048576 | int64 }}
{{- else if hasSuffix "KiB" $text -}}{{ divf (trimSuffix "KiB" $text | float64) 1024 | int64 }}
{{- else if hasSuffix "Ki" $text -}}{{ divf (trimSuffix "Ki" $text | float64) 1024 | int64 }}
{{- else if regexMatch "^[0-9]+$" $text -}}{{ divf ($text | float64) 1048576 | int64 }}
{{- else -}}0{{- end -}}
{{- end -}}

{{/* The ConfigMap of the access policy; nothing if there is none. */}}
{{- define "provider.accessPolicy" -}}
{{- if .Values.accessPolicy.configMap -}}
{{ .Values.accessPolicy.configMap }}
{{- else if kindIs "slice" .Values.accessPolicy.rules -}}
{{ include "provider.fullname" . | trunc 49 | trimSuffix "-" }}-access-policy
{{- end -}}
{{- end -}}
