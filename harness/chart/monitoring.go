package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// Monitoring parses every expression of the alerts and of the dashboard. That the metrics exist is tested against
// the provider itself, in tests/monitoring.rs.
func monitoring(env *environment) (string, error) {
	expressions, err := alerts(env)
	if err != nil {
		return "", err
	}
	panels, err := dashboard(env)
	if err != nil {
		return "", err
	}
	var problems []error
	grafana := strings.NewReplacer("$__rate_interval", "5m", "$node", ".*")
	for _, expression := range append(expressions, panels...) {
		if _, err := parser.ParseExpr(grafana.Replace(expression)); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", expression, err))
		}
	}
	return fmt.Sprintf("%d alerts, %d panel expressions", len(expressions), len(panels)), errors.Join(problems...)
}

func alerts(env *environment) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(env.chart, "rules", "alerts.yaml"))
	if err != nil {
		return nil, err
	}
	var spec monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(content, &spec); err != nil {
		return nil, err
	}
	var result []string
	for _, group := range spec.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				return nil, fmt.Errorf("alert %q lacks a severity, a summary or a description", rule.Alert)
			}
			result = append(result, rule.Expr.String())
		}
	}
	return result, nil
}

func dashboard(env *environment) ([]string, error) {
	content, err := os.ReadFile(filepath.Join(env.chart, "dashboards", "provider.json"))
	if err != nil {
		return nil, err
	}
	var board struct {
		Panels []struct {
			Title   string `json:"title"`
			GridPos struct{ X, Y, W, H int }
			Targets []struct {
				Expr string `json:"expr"`
			} `json:"targets"`
		} `json:"panels"`
	}
	if err := json.Unmarshal(content, &board); err != nil {
		return nil, err
	}
	taken := map[[2]int]string{}
	var result []string
	for _, panel := range board.Panels {
		at := panel.GridPos
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				if other, is := taken[[2]int{x, y}]; is || x >= 24 {
					return nil, fmt.Errorf("panel %q lies over %q or beyond the edge", panel.Title, other)
				}
				taken[[2]int{x, y}] = panel.Title
			}
		}
		if len(panel.Targets) == 0 {
			return nil, fmt.Errorf("panel %q shows nothing", panel.Title)
		}
		for _, target := range panel.Targets {
			result = append(result, target.Expr)
		}
	}
	return result, nil
}
