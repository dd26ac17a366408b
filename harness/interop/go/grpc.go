package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

// grpc-go with other settings, other methods and other habits than the driver's.
var grpcCases = []testCase{
	{"grpc-go: Check: all, by name, and an unknown service", check},
	{"grpc-go: Watch answers and stays open, also for an unknown service", watch},
	{"grpc-go: an unknown method and an unknown service are UNIMPLEMENTED", unknownMethod},
	{"grpc-go: a compressed request is UNIMPLEMENTED", compressed},
	{"grpc-go: 300 calls with as many timeouts on one connection", manyTimeouts},
	{"grpc-go: 2,500 requests of 4 KiB on one connection", manyBodies},
	{"grpc-go: requests of 1 and 3 MiB", largeRequests},
	{"grpc-go: a deadline is answered before it passes, with a final status", deadline},
	{"grpc-go: a cancelled call stops, the next one is answered", cancellation},
	{"grpc-go: 600 calls at once wait for their turn", queueing},
	{"grpc-go: held Mounts keep neither health nor Version waiting", overload},
	{"grpc-go: small and large windows", windows},
	{"grpc-go: pings of a client that keeps alive", keepAlive},
	{"grpc-go: a status message of many scripts arrives whole", unicode},
	{"grpc-go: ten connections side by side", connections},
	{"grpc-go: 80 connections take turns in the places for 32, and no call fails", turns},
}

func dial(world *stage, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	options = append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return grpc.NewClient("unix:"+world.socket(), options...)
}

func within(duration time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), duration)
}

// Runs with a connection of its own.
func on(world *stage, use func(*grpc.ClientConn) error, options ...grpc.DialOption) error {
	connection, err := dial(world, options...)
	if err != nil {
		return err
	}
	defer connection.Close()
	return use(connection)
}

func mountOn(ctx context.Context, connection *grpc.ClientConn, attributes string) (*v1alpha1.MountResponse, error) {
	request := &v1alpha1.MountRequest{Attributes: attributes, Secrets: "null", TargetPath: "/nowhere", Permission: "420"}
	return v1alpha1.NewCSIDriverProviderClient(connection).Mount(ctx, request)
}

func versionOn(connection *grpc.ClientConn, timeout time.Duration) error {
	ctx, cancel := within(timeout)
	defer cancel()
	response, err := v1alpha1.NewCSIDriverProviderClient(connection).Version(ctx, &v1alpha1.VersionRequest{Version: "v1alpha1"})
	if err == nil && response.Version != "v1alpha1" {
		err = fmt.Errorf("version %q", response.Version)
	}
	return err
}

func check(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		client := healthpb.NewHealthClient(connection)
		for _, service := range []string{"", "v1alpha1.CSIDriverProvider"} {
			ctx, cancel := within(10 * time.Second)
			response, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
			cancel()
			if err != nil || response.Status != healthpb.HealthCheckResponse_SERVING {
				return fmt.Errorf("%q: %v, %v", service, response, err)
			}
		}
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		_, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: "nobody"})
		return expectCode(err, codes.NotFound)
	})
}

func expectCode(err error, code codes.Code) error {
	if status.Code(err) != code {
		return fmt.Errorf("%v instead of %v", err, code)
	}
	return nil
}

func watch(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		for service, expected := range map[string]healthpb.HealthCheckResponse_ServingStatus{
			"":       healthpb.HealthCheckResponse_SERVING,
			"nobody": healthpb.HealthCheckResponse_SERVICE_UNKNOWN,
		} {
			ctx, cancel := within(30 * time.Second)
			defer cancel()
			stream, err := healthpb.NewHealthClient(connection).Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
			if err != nil {
				return err
			}
			response, err := stream.Recv()
			if err != nil || response.Status != expected {
				return fmt.Errorf("%q: %v, %v", service, response, err)
			}
			second := make(chan error, 1)
			go func() { _, err := stream.Recv(); second <- err }()
			if err := versionOn(connection, 10*time.Second); err != nil {
				return err
			}
			select {
			case err := <-second:
				return fmt.Errorf("%q: the stream did not stay open: %v", service, err)
			case <-time.After(100 * time.Millisecond):
			}
			cancel()
			if err := expectCode(<-second, codes.Canceled); err != nil {
				return err
			}
		}
		return nil
	})
}

func unknownMethod(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		for _, method := range []string{"/v1alpha1.CSIDriverProvider/Unmount", "/no.Such/Thing", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"} {
			ctx, cancel := within(10 * time.Second)
			err := connection.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
			cancel()
			if err := expectCode(err, codes.Unimplemented); err != nil {
				return fmt.Errorf("%s: %w", method, err)
			}
		}
		return versionOn(connection, 10*time.Second)
	})
}

func compressed(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		client := v1alpha1.NewCSIDriverProviderClient(connection)
		_, err := client.Version(ctx, &v1alpha1.VersionRequest{Version: strings.Repeat("v", 200)}, grpc.UseCompressor(gzip.Name))
		return expectCode(err, codes.Unimplemented)
	})
}

func manyTimeouts(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		for number := range 300 {
			if err := versionOn(connection, 10*time.Second+time.Duration(number)*time.Millisecond); err != nil {
				return fmt.Errorf("call %d: %w", number, err)
			}
		}
		return nil
	})
}

func manyBodies(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		// Refused for their parameters, after all of the body has been read.
		padding := strings.Repeat("x", 4096)
		for number := range 2500 {
			ctx, cancel := within(20 * time.Second)
			_, err := mountOn(ctx, connection, attributes(map[string]string{"padding": padding}))
			cancel()
			if err := expectCode(err, codes.InvalidArgument); err != nil {
				return fmt.Errorf("call %d: %w", number, err)
			}
		}
		return nil
	})
}

func largeRequests(world *stage) error {
	if err := world.setSecret("go-bulky", []byte("bulky")); err != nil {
		return err
	}
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(time.Minute)
		defer cancel()
		padding := strings.Repeat("x", 1<<20)
		request := &v1alpha1.MountRequest{
			Attributes: attributes(map[string]string{"objects": "- objectName: go-bulky\n", "padding": padding}),
			Secrets:    "null",
			Permission: "420",
		}
		response, err := v1alpha1.NewCSIDriverProviderClient(connection).Mount(ctx, request)
		if err != nil || len(response.Files) != 1 {
			return fmt.Errorf("%v files, %v", len(response.GetFiles()), err)
		}
		// More than a SecretProviderClass can hold.
		request.Attributes = attributes(map[string]string{"objects": "- objectName: go-bulky\n", "padding": padding + padding + padding})
		_, err = v1alpha1.NewCSIDriverProviderClient(connection).Mount(ctx, request)
		return expectCode(err, codes.InvalidArgument)
	})
}

func deadline(world *stage) error {
	if err := world.setSecret("go-slow", []byte("slow")); err != nil {
		return err
	}
	if err := world.hold("go-slow"); err != nil {
		return err
	}
	defer world.clearFaults()
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(3 * time.Second)
		defer cancel()
		_, err := mountOn(ctx, connection, objects("- objectName: go-slow\n"))
		if ctx.Err() != nil {
			return errors.New("the answer came too late")
		}
		if !strings.Contains(fmt.Sprint(err), "go-slow") {
			return fmt.Errorf("the message does not name the object: %v", err)
		}
		return expectCode(err, codes.Internal)
	})
}

func cancellation(world *stage) error {
	if err := world.setSecret("go-left", []byte("left")); err != nil {
		return err
	}
	if err := world.hold("go-left"); err != nil {
		return err
	}
	defer world.clearFaults()
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(time.Minute)
		done := make(chan error, 1)
		go func() { _, err := mountOn(ctx, connection, objects("- objectName: go-left\n")); done <- err }()
		time.Sleep(100 * time.Millisecond)
		cancel()
		if err := expectCode(<-done, codes.Canceled); err != nil {
			return err
		}
		if err := world.clearFaults(); err != nil {
			return err
		}
		again, stop := within(time.Minute)
		defer stop()
		_, err := mountOn(again, connection, objects("- objectName: go-left\n"))
		return err
	})
}

// Runs so many at once, and gives the first failure.
func atOnce(count int, run func() error) error {
	var group sync.WaitGroup
	failures := make(chan error, count)
	for range count {
		group.Go(func() { failures <- run() })
	}
	group.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

func queueing(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		return atOnce(600, func() error {
			ctx, cancel := within(time.Minute)
			defer cancel()
			_, err := mountOn(ctx, connection, objects("- {}\n"))
			return expectCode(err, codes.InvalidArgument)
		})
	})
}

func overload(world *stage) error {
	if err := world.setSecret("go-held", []byte("held")); err != nil {
		return err
	}
	if err := world.hold("go-held"); err != nil {
		return err
	}
	defer world.clearFaults()
	return on(world, func(connection *grpc.ClientConn) error {
		held := make(chan error, 1)
		go func() {
			held <- atOnce(200, func() error {
				ctx, cancel := within(time.Minute)
				defer cancel()
				_, err := mountOn(ctx, connection, objects("- objectName: go-held\n"))
				return err
			})
		}()
		time.Sleep(300 * time.Millisecond)
		for range 20 {
			if err := versionOn(connection, 5*time.Second); err != nil {
				return err
			}
			ctx, cancel := within(5 * time.Second)
			_, err := healthpb.NewHealthClient(connection).Check(ctx, &healthpb.HealthCheckRequest{})
			cancel()
			if err != nil {
				return err
			}
		}
		select {
		case err := <-held:
			return fmt.Errorf("the Mounts were not held: %v", err)
		default:
		}
		if err := world.clearFaults(); err != nil {
			return err
		}
		return <-held
	})
}

func windows(world *stage) error {
	class, _, err := thirtyThousand(world, 130)
	if err != nil {
		return err
	}
	for _, size := range []int32{65535, 1 << 20, 1 << 24} {
		err := on(world, func(connection *grpc.ClientConn) error {
			ctx, cancel := within(time.Minute)
			defer cancel()
			response, err := mountOn(ctx, connection, objects(class))
			if err != nil || len(response.Files) != 130 {
				return fmt.Errorf("%d files, %v", len(response.GetFiles()), err)
			}
			return nil
		}, grpc.WithInitialWindowSize(size), grpc.WithInitialConnWindowSize(size))
		if err != nil {
			return fmt.Errorf("window %d: %w", size, err)
		}
	}
	return nil
}

// grpc-go pings at most every 10 s; a held Mount keeps the connection silent for longer.
func keepAlive(world *stage) error {
	if err := world.setSecret("go-quiet", []byte("quiet")); err != nil {
		return err
	}
	if err := world.hold("go-quiet"); err != nil {
		return err
	}
	defer world.clearFaults()
	parameters := keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second, PermitWithoutStream: true}
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(time.Minute)
		defer cancel()
		held := make(chan error, 1)
		go func() { _, err := mountOn(ctx, connection, objects("- objectName: go-quiet\n")); held <- err }()
		time.Sleep(13 * time.Second)
		if err := world.clearFaults(); err != nil {
			return err
		}
		return <-held
	}, grpc.WithKeepaliveParams(parameters))
}

func unicode(world *stage) error {
	return on(world, func(connection *grpc.ClientConn) error {
		ctx, cancel := within(10 * time.Second)
		defer cancel()
		_, err := mountOn(ctx, connection, objects("- objectName: x\n  objectType: \"参数 100% ünï\"\n"))
		if !strings.Contains(fmt.Sprint(err), "参数 100% ünï") {
			return fmt.Errorf("%v", err)
		}
		return expectCode(err, codes.InvalidArgument)
	})
}

func connections(world *stage) error {
	return atOnce(10, func() error {
		return on(world, func(connection *grpc.ClientConn) error {
			for range 20 {
				if err := versionOn(connection, 20*time.Second); err != nil && !errors.Is(err, io.EOF) {
					return err
				}
			}
			return nil
		})
	})
}

// More connections than there are places, few of them with calls at a time: those that are asked to go lose no call.
func turns(world *stage) error {
	const count, rounds = 80, 10
	var all []*grpc.ClientConn
	for range count {
		connection, err := dial(world)
		if err != nil {
			return err
		}
		defer connection.Close()
		all = append(all, connection)
	}
	next := make(chan *grpc.ClientConn)
	go func() {
		defer close(next)
		for range rounds {
			for _, connection := range all {
				next <- connection
			}
		}
	}()
	return atOnce(16, func() error {
		var failed error
		for connection := range next {
			if err := versionOn(connection, 20*time.Second); err != nil {
				failed = err
			}
		}
		return failed
	})
}
