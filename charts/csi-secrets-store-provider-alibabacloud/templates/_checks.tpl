{{/* What would render and then not work: refused here, with what to do. */}}
{{- define "provider.checks" -}}
{{- $linux := .Values.linux -}}
{{- $image := $linux.image -}}
{{- if regexMatch "(^|/)secrets-store-csi-driver-provider-alibaba-cloud$" (toString $image.repository) -}}
{{- fail (printf "linux.image.repository is %s, the image of the official provider, which does not know this chart's flags and probes. Build this provider's image (just images), push it to a registry of yours, and name that" $image.repository) -}}
{{- end -}}
{{- if not $image.repository -}}
{{- fail "linux.image.repository has no default: build the image (just images), push it to a registry of yours, and name it here, such as --set linux.image.repository=registry.example.com/csi-secrets-store-provider-alibabacloud" -}}
{{- end -}}
{{- if contains "__ACK_REGION_ID__" (printf "%s %s" .Values.regionId $image.repository) -}}
{{- fail "regionId holds __ACK_REGION_ID__, the official chart's placeholder. Set the region, such as cn-hangzhou, or leave it empty for the node's own" -}}
{{- end -}}
{{- if regexMatch `(?i)(^|-)(oss|img)(-|$)` (.Values.regionId | default "" | trim) -}}
{{- fail (printf "regionId is %s, a gateway of object storage; expected a region such as cn-hangzhou" .Values.regionId) -}}
{{- end -}}
{{- range $name, $reference := .Values.envVarsFromSecret -}}
{{- if and $reference $reference.secretKeyRef (not $reference.key) -}}
{{- fail (printf "envVarsFromSecret.%s names the Secret %s but no key; set key" $name $reference.secretKeyRef) -}}
{{- end -}}
{{- end -}}
{{- with include "provider.half" (list . "ACCESS_KEY_ID" "SECRET_ACCESS_KEY") -}}
{{- fail (printf "%s; set both in envVarsFromSecret, or neither" .) -}}
{{- end -}}
{{- $fallback := eq (toString .Values.provider.allowIdentityFallback) "true" -}}
{{- $assumes := or (include "provider.hasOIDC" .) (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) .Values.credentialsSecret $linux.envFrom $fallback -}}
{{- if and (include "provider.hasVariable" (list . "ALICLOUD_ROLE_ARN")) (not $assumes) -}}
{{- fail "ALICLOUD_ROLE_ARN is set, but no credentials to assume it: set rrsa.accountId and rrsa.clusterId, or ALICLOUD_OIDC_PROVIDER_ARN, ACCESS_KEY_ID and SECRET_ACCESS_KEY in envVarsFromSecret, or credentialsSecret" -}}
{{- end -}}
{{/* What the provider refuses, where the value stands here. What comes from a Secret it sees only when it starts. */}}
{{- $isSwitch := `(?i)^\s*(true|1|t|yes|y|on|false|0|f|no|n|off)?\s*$` -}}
{{- $identity := or (include "provider.hasOIDC" .) (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) .Values.credentialsSecret $linux.envFrom -}}
{{- $forms := dict
  "ALICLOUD_ROLE_ARN" `^\s*acs:ram::[0-9]{1,32}:role/[A-Za-z0-9._-]{1,64}\s*$`
  "ALICLOUD_OIDC_PROVIDER_ARN" `^\s*acs:ram::[0-9]+:oidc-provider/[!-~]+\s*$`
  "ALICLOUD_ACCOUNT_ID" `^\s*[0-9]+\s*$`
  "ALICLOUD_CLUSTER_ID" `^\s*[!-~]+\s*$`
  "ALIBABA_CLOUD_ECS_METADATA" `^\s*[A-Za-z0-9._-]{1,64}\s*$`
  "ALIBABA_CLOUD_ECS_METADATA_DISABLED" (ternary $isSwitch `(?i)^(true|\s*(false|0|f|no|n|off)?\s*)$` (not (not $identity)))
  "ALIBABA_CLOUD_IMDSV1_DISABLED" $isSwitch
  "ACCESS_KEY_ID" `^\s*[!-+\--~]+\s*$`
  "SECRET_ACCESS_KEY" `^\s*[!-+\--~]+\s*$`
-}}
{{- range $linux.env -}}
{{- if and .value (hasKey $forms .name) -}}
{{- if not (regexMatch (get $forms .name) .value) -}}
{{- fail (printf "linux.env: the provider does not start with this value of %s, see docs/migrate.md" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $number := `^[+-]?[0-9][0-9A-Fa-fxXoO_]*$` -}}
{{- $forms := dict
  "max-concurrent-kms-secret-pulls" $number
  "max-concurrent-oos-secret-pulls" $number
  "healthz-port" $number
  "healthz-path" `^/`
  "healthz-timeout" `^[+-]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$`
  "region" `^\s*([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)?\s*$`
  "provider-volume" `.`
  "v" `^[+-]?[0-9]+$`
-}}
{{- range $linux.extraArgs -}}
{{- $name := regexReplaceAll `(?s)^--?([a-z-]+)=.*$` . "${1}" -}}
{{- if and (hasKey $forms $name) (contains "=" .) -}}
{{- if not (regexMatch (get $forms $name) (regexReplaceAll `(?s)^[^=]*=` . "")) -}}
{{- fail (printf "linux.extraArgs: the provider does not start with this value of --%s, see docs/migrate.md" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .Values.credentialsSecret (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) -}}
{{- fail "credentialsSecret and ACCESS_KEY_ID of envVarsFromSecret are both set; remove one of them" -}}
{{- end -}}
{{- $account := or .Values.rrsa.accountId (include "provider.hasVariable" (list . "ALICLOUD_ACCOUNT_ID")) -}}
{{- $cluster := or .Values.rrsa.clusterId (include "provider.hasVariable" (list . "ALICLOUD_CLUSTER_ID")) -}}
{{- if and (ne (empty $account) (empty $cluster)) (not (include "provider.hasOIDC" .)) (not $linux.envFrom) (not $fallback) -}}
{{- fail "rrsa.accountId and rrsa.clusterId (or ALICLOUD_ACCOUNT_ID and ALICLOUD_CLUSTER_ID) name the OIDC provider together; set both, or neither" -}}
{{- end -}}
{{- $rolling := get ($linux.updateStrategy | default dict) "rollingUpdate" | default dict -}}
{{- $surge := toString (get $rolling "maxSurge" | default 0) -}}
{{- if and (include "provider.hostNetwork" .) (not (has $surge (list "0" "0%"))) -}}
{{- fail (printf "linux.updateStrategy.rollingUpdate.maxSurge is %s, and the provider has the node's network (linux.hostNetwork): the new pod could not have port %v of the node while the old one runs. Set maxSurge to 0, or linux.hostNetwork to false" $surge $linux.healthzPort) -}}
{{- end -}}
{{- if has $linux.providersDir $linux.additionalProvidersDirs -}}
{{- fail (printf "linux.additionalProvidersDirs holds %s, which is linux.providersDir; remove it" $linux.providersDir) -}}
{{- end -}}
{{- $driver := index .Values "secrets-store-csi-driver" -}}
{{- if $driver.install -}}
{{- $directories := prepend (get $driver.linux "additionalProvidersDirs" | default list) $driver.linux.providersDir -}}
{{- if not (has $linux.providersDir $directories) -}}
{{- fail (printf "linux.providersDir is %s, and the driver looks only in %s; set one of these directories" $linux.providersDir (join " and " $directories)) -}}
{{- end -}}
{{- end -}}
{{- $limit := get (get ($linux.resources | default dict) "limits" | default dict) "memory" -}}
{{- $budget := include "provider.mebibytes" (.Values.provider.memoryBudget | default "64MiB") | int64 -}}
{{- if and $limit (lt (include "provider.mebibytes" $limit | int64) (add $budget 32)) -}}
{{- fail (printf "linux.resources.limits.memory is %s, and provider.memoryBudget is %s: under load the kernel would end the provider. Give at least %dMi, or lower the budget" (toString $limit) (.Values.provider.memoryBudget | default "64MiB") (add $budget 32)) -}}
{{- end -}}
{{- if and .Values.accessPolicy.configMap (kindIs "slice" .Values.accessPolicy.rules) -}}
{{- fail "accessPolicy has both rules and configMap; remove one of them" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (include "provider.hostNetwork" .) -}}
{{- fail "networkPolicy.enabled: a NetworkPolicy does not act on pods with the node's network. Set linux.hostNetwork to false, or networkPolicy.enabled to false" -}}
{{- end -}}
{{- end -}}
