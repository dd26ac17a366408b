package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// AlertsFire runs the rules that the chart renders on the made-up series of alerts.yaml, by Prometheus' own promtool.
// Each alert must have a test in which it fires, and one that says of its whole time that it never does.
func alertsFire(env *environment) (string, error) {
	rules, err := renderedRules(env)
	if err != nil {
		return "", err
	}
	tests, err := os.ReadFile(filepath.Join(env.here, "alerts.yaml"))
	if err != nil {
		return "", err
	}
	place, err := os.MkdirTemp("", "chartcheck")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(place)
	text, err := yaml.Marshal(rules)
	if err != nil {
		return "", err
	}
	rulesFile, testsFile := filepath.Join(place, "rules.yaml"), filepath.Join(place, "alerts.yaml")
	if err := errors.Join(os.WriteFile(rulesFile, text, 0o644), os.WriteFile(testsFile, tests, 0o644)); err != nil {
		return "", err
	}
	for _, arguments := range [][]string{{"check", "rules", rulesFile}, {"test", "rules", testsFile}} {
		if out, err := exec.Command(env.promtool, arguments...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("promtool %s: %w: %s", strings.Join(arguments[:2], " "), err, out)
		}
	}
	return tried(rules, tests)
}

// RenderedRules is the spec of the PrometheusRule among the manifests.
func renderedRules(env *environment) (*monitoringv1.PrometheusRuleSpec, error) {
	file := filepath.Join(env.here, "values", "monitoring.yaml")
	with, err := env.settingsOf(file)
	if err != nil {
		return nil, err
	}
	documents, err := env.template(file, with)
	if err != nil {
		return nil, err
	}
	for _, document := range ownOf(documents) {
		object, err := decode(document)
		if err != nil {
			return nil, err
		}
		if rule, is := object.(*monitoringv1.PrometheusRule); is {
			return &rule.Spec, nil
		}
	}
	return nil, fmt.Errorf("%s renders no PrometheusRule", file)
}

// Tried says which alert lacks a test of either kind.
func tried(rules *monitoringv1.PrometheusRuleSpec, tests []byte) (string, error) {
	var file struct {
		Tests []struct {
			Name       string
			AlertTests []struct {
				Alertname string
				Expected  []any `json:"exp_alerts"`
			} `json:"alert_rule_test"`
			ExpressionTests []struct {
				Expr     string
				Expected []any `json:"exp_samples"`
			} `json:"promql_expr_test"`
		}
	}
	if err := yaml.Unmarshal(tests, &file); err != nil {
		return "", err
	}
	fires, quiet := map[string]bool{}, ""
	for _, test := range file.Tests {
		for _, alert := range test.AlertTests {
			fires[alert.Alertname] = fires[alert.Alertname] || len(alert.Expected) > 0
		}
		for _, expression := range test.ExpressionTests {
			if len(expression.Expected) > 0 {
				return "", fmt.Errorf("%s: an alert is to fire here; alert_rule_test shows its words, too", test.Name)
			}
			quiet += expression.Expr
		}
	}
	alerts := 0
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			alerts++
			if !fires[rule.Alert] || !strings.Contains(quiet, rule.Alert) {
				return "", fmt.Errorf("alerts.yaml has no world in which %s fires, or none in which it does not", rule.Alert)
			}
		}
	}
	return fmt.Sprintf("%d alerts in %d worlds", alerts, len(file.Tests)), nil
}
