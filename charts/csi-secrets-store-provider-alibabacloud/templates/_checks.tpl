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
{{- range $name, $reference := .Values.envVarsFromSecret -}}
{{- if and $reference $reference.secretKeyRef (not $reference.key) -}}
{{- fail (printf "envVarsFromSecret.%s names the Secret %s and no key" $name $reference.secretKeyRef) -}}
{{- end -}}
{{- end -}}
{{- if and (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) (not (include "provider.hasVariable" (list . "SECRET_ACCESS_KEY"))) -}}
{{- fail "ACCESS_KEY_ID is set and SECRET_ACCESS_KEY is not; set both in envVarsFromSecret, or neither" -}}
{{- end -}}
{{- if and (include "provider.hasVariable" (list . "SECRET_ACCESS_KEY")) (not (include "provider.hasVariable" (list . "ACCESS_KEY_ID"))) -}}
{{- fail "SECRET_ACCESS_KEY is set and ACCESS_KEY_ID is not; set both in envVarsFromSecret, or neither" -}}
{{- end -}}
{{- if and .Values.credentialsSecret (include "provider.hasVariable" (list . "ACCESS_KEY_ID")) -}}
{{- fail "credentialsSecret and ACCESS_KEY_ID of envVarsFromSecret are both set; remove one, so that it is plain which pair counts" -}}
{{- end -}}
{{- if or (and .Values.rrsa.accountId (not .Values.rrsa.clusterId)) (and .Values.rrsa.clusterId (not .Values.rrsa.accountId)) -}}
{{- fail "rrsa.accountId and rrsa.clusterId name the OIDC provider together; set both, or neither" -}}
{{- end -}}
{{- $rolling := get ($linux.updateStrategy | default dict) "rollingUpdate" | default dict -}}
{{- $surge := toString (get $rolling "maxSurge" | default 0) -}}
{{- if and (include "provider.hostNetwork" .) (not (has $surge (list "0" "0%"))) -}}
{{- fail (printf "linux.updateStrategy.rollingUpdate.maxSurge is %s, and the provider has the node's network (linux.hostNetwork): the new pod could not have port %v of the node while the old one runs. Set maxSurge to 0, or linux.hostNetwork to false" $surge $linux.healthzPort) -}}
{{- end -}}
{{- if has $linux.providersDir $linux.additionalProvidersDirs -}}
{{- fail (printf "linux.additionalProvidersDirs holds %s, which is linux.providersDir; the others only" $linux.providersDir) -}}
{{- end -}}
{{- $driver := index .Values "secrets-store-csi-driver" -}}
{{- if $driver.install -}}
{{- $directories := prepend (get $driver.linux "additionalProvidersDirs" | default list) $driver.linux.providersDir -}}
{{- if not (has $linux.providersDir $directories) -}}
{{- fail (printf "linux.providersDir is %s, and the driver looks in %s only: it would not find the provider" $linux.providersDir (join " and " $directories)) -}}
{{- end -}}
{{- end -}}
{{- $limit := get (get ($linux.resources | default dict) "limits" | default dict) "memory" -}}
{{- $budget := include "provider.mebibytes" (.Values.provider.memoryBudget | default "64MiB") | int64 -}}
{{- if and $limit (lt (include "provider.mebibytes" $limit | int64) (add $budget 32)) -}}
{{- fail (printf "linux.resources.limits.memory is %s, and provider.memoryBudget is %s: under load the kernel would end the provider. Give at least %dMi, or lower the budget" (toString $limit) (.Values.provider.memoryBudget | default "64MiB") (add $budget 32)) -}}
{{- end -}}
{{- if and .Values.accessPolicy.configMap (kindIs "slice" .Values.accessPolicy.rules) -}}
{{- fail "accessPolicy has rules and a configMap; one of them" -}}
{{- end -}}
{{- if and .Values.networkPolicy.enabled (include "provider.hostNetwork" .) -}}
{{- fail "networkPolicy.enabled: a NetworkPolicy does not act on pods with the node's network. Set linux.hostNetwork to false, or networkPolicy.enabled to false" -}}
{{- end -}}
{{- end -}}
