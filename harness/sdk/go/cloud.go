package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// The fake cloud's controls.

func control(method, path string, body any) string {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(must(json.Marshal(body)))
	}
	request := must(http.NewRequest(method, os.Getenv("FAKE_CLOUD_HTTP")+"/_fake/"+path, reader))
	answer := must(http.DefaultClient.Do(request))
	defer answer.Body.Close()
	text := string(must(io.ReadAll(answer.Body)))
	if answer.StatusCode >= 300 {
		must(0, fmt.Errorf("%s %s: %s %s", method, path, answer.Status, text))
	}
	return text
}

type rule map[string]any

// with lets rules hold while act runs.
func with(act func(), rules ...rule) {
	for _, r := range rules {
		control("POST", "faults", r)
	}
	act()
	control("DELETE", "faults", nil)
}

func atClock(seconds int, act func()) {
	control("PUT", "clock", map[string]int{"offset_seconds": seconds})
	act()
	control("PUT", "clock", map[string]int{"offset_seconds": 0})
}

func podToken(change map[string]any) string {
	request := map[string]any{"namespace": "rrsa-demo", "service_account": "demo-sa"}
	for key, value := range change {
		request[key] = value
	}
	return control("POST", "tokens", request)
}

func apiError(status int, code string) any {
	return rule{"error": rule{"status": status, "code": code, "message": "m"}}
}
