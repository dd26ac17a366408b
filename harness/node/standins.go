package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
	provider "sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
	"sigs.k8s.io/yaml"
)

// What the proxy for Go modules does not serve, in the few lines that a node needs of it.

// Registrar tells kubelet where the driver's socket is, as node-driver-registrar does.
func registrar(arguments []string) error {
	flags := flag.NewFlagSet("registrar", flag.ContinueOnError)
	flags.Int("v", 0, "")
	driver := flags.String("csi-address", "", "")
	path := flags.String("kubelet-registration-path", "", "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	// Kubelet asks the driver as soon as it knows of it.
	for {
		if connection, err := net.Dial("unix", *driver); err == nil {
			connection.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	socket := "/registration/secrets-store.csi.k8s.io-reg.sock"
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, &registered{path: *path, failed: server.Stop})
	go onTerm(server.Stop)
	return server.Serve(listener)
}

type registered struct {
	registration.UnimplementedRegistrationServer
	path   string
	failed func()
}

func (r *registered) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: "secrets-store.csi.k8s.io", Endpoint: r.path, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r *registered) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		fmt.Fprintln(os.Stderr, status.Error)
		go r.failed()
	}
	return &registration.RegistrationStatusResponse{}, nil
}

// LivenessProbe answers whether somebody listens on the driver's socket.
func livenessProbe(arguments []string) error {
	flags := flag.NewFlagSet("livenessprobe", flag.ContinueOnError)
	flags.Int("v", 0, "")
	flags.Duration("probe-timeout", 0, "")
	driver := flags.String("csi-address", "", "")
	address := flags.String("http-endpoint", "", "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	go onTerm(func() { os.Exit(0) })
	return http.ListenAndServe(*address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		connection, err := net.DialTimeout("unix", *driver, time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		connection.Close()
	}))
}

// OnCRDs is kubectl as the hooks of the driver's chart use it: apply -f DIRECTORY, and patch crd NAME… -p PATCH.
func onCRDs(arguments []string) error {
	config, err := rest.InClusterConfig()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	definitions := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	switch {
	case len(arguments) == 3 && arguments[0] == "apply" && arguments[1] == "-f":
		files, err := filepath.Glob(filepath.Join("/", arguments[2], "*.yaml"))
		if err != nil || len(files) == 0 {
			return fmt.Errorf("no files in %s: %w", arguments[2], err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			var object unstructured.Unstructured
			if err := yaml.Unmarshal(text, &object.Object); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			if _, err := definitions.Apply(background, object.GetName(), &object, metav1.ApplyOptions{FieldManager: "crds", Force: true}); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
		}
		return nil
	case len(arguments) > 4 && arguments[0] == "patch" && arguments[1] == "crd" && arguments[len(arguments)-2] == "-p":
		for _, name := range arguments[2 : len(arguments)-2] {
			patch := []byte(arguments[len(arguments)-1])
			if _, err := definitions.Patch(background, name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("only apply -f and patch crd are known, and not %q", arguments)
}

// OfficialProvider behaves on its socket as the official provider does: it removes whatever is at the path when it
// starts, and removes the path when it is told to stop, whoever's socket is there by then. Every object's content is
// "official".
func officialProvider(arguments []string) error {
	flags := flag.NewFlagSet("official", flag.ContinueOnError)
	directory := flags.String("provider-volume", "/provider", "")
	port := flags.Int("healthz-port", 8989, "")
	path := flags.String("healthz-path", "/healthz", "")
	flags.Duration("healthz-timeout", 0, "")
	flags.String("region", "", "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	socket := filepath.Join(*directory, "alibabacloud.sock")
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	provider.RegisterCSIDriverProviderServer(server, official{})
	go onTerm(server.GracefulStop) // The listener's end unlinks the path.
	health := http.NewServeMux()
	health.HandleFunc(*path, func(w http.ResponseWriter, _ *http.Request) {
		connection, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err == nil {
			defer connection.Close()
			_, err = provider.NewCSIDriverProviderClient(connection).Version(context.Background(), &provider.VersionRequest{Version: "v1alpha1"})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(fmt.Sprintf(":%d", *port), health)) }()
	return server.Serve(listener)
}

type official struct {
	provider.UnimplementedCSIDriverProviderServer
}

func (official) Version(context.Context, *provider.VersionRequest) (*provider.VersionResponse, error) {
	return &provider.VersionResponse{Version: "v1alpha1", RuntimeName: "official", RuntimeVersion: "0.6.0"}, nil
}

func (official) Mount(_ context.Context, request *provider.MountRequest) (*provider.MountResponse, error) {
	var parameters map[string]string
	if err := yaml.Unmarshal([]byte(request.Attributes), &parameters); err != nil {
		return nil, err
	}
	var objects []struct{ ObjectName, ObjectAlias string }
	if err := yaml.Unmarshal([]byte(parameters["objects"]), &objects); err != nil {
		return nil, err
	}
	response := &provider.MountResponse{}
	for _, object := range objects {
		name := object.ObjectAlias
		if name == "" {
			name = object.ObjectName
		}
		response.Files = append(response.Files, &provider.File{Path: name, Mode: 0o644, Contents: []byte("official")})
		response.ObjectVersion = append(response.ObjectVersion, &provider.ObjectVersion{Id: object.ObjectName, Version: "1"})
	}
	return response, nil
}

// Curl is as much of curl as the suites use: -s, -X METHOD, -d BODY, URL.
func curl(arguments []string) error {
	flags := flag.NewFlagSet("curl", flag.ContinueOnError)
	flags.Bool("s", false, "")
	method := flags.String("X", http.MethodGet, "")
	body := flags.String("d", "", "")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	request, err := http.NewRequest(*method, flags.Arg(0), strings.NewReader(*body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func onTerm(act func()) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	<-told
	act()
}
