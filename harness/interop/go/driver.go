package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	secretsstore "sigs.k8s.io/secrets-store-csi-driver/pkg/secrets-store"
	"sigs.k8s.io/secrets-store-csi-driver/provider/v1alpha1"
)

const provider = "alibabacloud"

// What kubelet gives each call.
const kubeletDeadline = 2 * time.Minute

// The driver's own code: it finds the socket, keeps one connection, mounts by its atomic writer.
var driverCases = []testCase{
	{"driver: files are mounted, with their modes and layout", mountFiles},
	{"driver: a rotation replaces the files and swaps ..data", rotate},
	{"driver: unchanged secrets leave the volume untouched", unchanged},
	{"driver: a file that the class no longer names is removed", removeFile},
	{"driver: directories", directories},
	{"driver: Version, as its health check calls it", version},
	{"driver: what does not exist is NOT_FOUND, with its name, and nothing is written", notFound},
	{"driver: a mistake is INVALID_ARGUMENT, with its place", mistake},
	{"driver: 100 volumes at once over one connection", manyVolumes},
	{"driver: a volume of 3.9 MB", large},
	{"driver: a volume of more than 4 MiB is refused by us, with a final status", tooLarge},
	{"driver: requests without a deadline, as drivers up to 1.5 rotate", noDeadline},
}

// A driver that has not met the provider yet.
func newDriver(world *stage) *secretsstore.PluginClientBuilder {
	empty := filepath.Join(world.volume, "none-here")
	return secretsstore.NewPluginClientBuilder([]string{empty, world.volume})
}

type driver struct {
	builder *secretsstore.PluginClientBuilder
	client  v1alpha1.CSIDriverProviderClient
}

func connect(world *stage) (*driver, error) {
	builder := newDriver(world)
	client, err := builder.Get(context.Background(), provider)
	if err != nil {
		return nil, err
	}
	return &driver{builder, client}, nil
}

func (d *driver) mount(attributes, target string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), kubeletDeadline)
	defer cancel()
	versions, _, err := secretsstore.MountContent(ctx, d.client, attributes, "null", target, "420", nil)
	return versions, err
}

// A driver that has met the provider, and a new directory, which need not be removed: it is below the stage's own.
func onTarget(world *stage, use func(d *driver, target string) error) error {
	target, err := os.MkdirTemp(world.volume, "target-")
	if err != nil {
		return err
	}
	d, err := connect(world)
	if err != nil {
		return err
	}
	defer d.builder.Cleanup()
	return use(d, target)
}

// Mounts into a new directory.
func mountNew(world *stage, attributes string) (target string, versions map[string]string, err error) {
	err = onTarget(world, func(d *driver, directory string) (err error) {
		target = directory
		versions, err = d.mount(attributes, directory)
		return err
	})
	return target, versions, err
}

func expectFile(target, path, contents string) error {
	read, err := os.ReadFile(filepath.Join(target, path))
	if err != nil {
		return err
	}
	if string(read) != contents {
		return fmt.Errorf("%s holds %q instead of %q", path, clip(string(read)), clip(contents))
	}
	return nil
}

func clip(text string) string {
	if len(text) > 60 {
		return text[:60] + "…"
	}
	return text
}

func mountFiles(world *stage) error {
	if err := world.setSecret("go-plain", []byte("plain\x00\xff")); err != nil {
		return err
	}
	class := "- objectName: go-plain\n- objectName: go-plain\n  objectAlias: private\n  filePermission: \"0400\"\n"
	target, versions, err := mountNew(world, objects(class))
	if err != nil {
		return err
	}
	for path, mode := range map[string]os.FileMode{"go-plain": 0o644, "private": 0o400} {
		if err := expectFile(target, path, "plain\x00\xff"); err != nil {
			return err
		}
		info, err := os.Stat(filepath.Join(target, path))
		if err != nil {
			return err
		}
		if info.Mode().Perm() != mode {
			return fmt.Errorf("%s has mode %v instead of %v", path, info.Mode().Perm(), mode)
		}
		link, err := os.Readlink(filepath.Join(target, path))
		if err != nil || link != "..data/"+path {
			return fmt.Errorf("%s is not the driver's link: %q, %v", path, link, err)
		}
		if len(versions[path]) == 0 || versions[path] != versions["go-plain"] {
			return fmt.Errorf("versions: %v", versions)
		}
	}
	return nil
}

func rotate(world *stage) error {
	return onTarget(world, func(d *driver, target string) error {
		var seen []string
		for _, day := range []string{"monday", "tuesday"} {
			if err := world.setSecret("go-rotated", []byte(day)); err != nil {
				return err
			}
			versions, err := d.mount(objects("- objectName: go-rotated\n"), target)
			if err != nil {
				return err
			}
			if err := expectFile(target, "go-rotated", day); err != nil {
				return err
			}
			data, err := os.Readlink(filepath.Join(target, "..data"))
			if err != nil {
				return err
			}
			seen = append(seen, data, versions["go-rotated"])
		}
		if seen[0] == seen[2] || seen[1] == seen[3] {
			return fmt.Errorf("nothing moved: %v", seen)
		}
		return nil
	})
}

func unchanged(world *stage) error {
	if err := world.setSecret("go-same", []byte("same")); err != nil {
		return err
	}
	return onTarget(world, func(d *driver, target string) error {
		class := "- objectName: go-same\n  objectAlias: b\n- objectName: go-same\n  objectAlias: a\n"
		if _, err := d.mount(objects(class), target); err != nil {
			return err
		}
		before, err := os.Readlink(filepath.Join(target, "..data"))
		if err != nil {
			return err
		}
		for range 3 {
			if _, err := d.mount(objects(class), target); err != nil {
				return err
			}
		}
		if after, err := os.Readlink(filepath.Join(target, "..data")); err != nil || after != before {
			return fmt.Errorf("the volume was written again: %s, %s, %v", before, after, err)
		}
		return nil
	})
}

func removeFile(world *stage) error {
	if err := world.setSecret("go-kept", []byte("kept")); err != nil {
		return err
	}
	return onTarget(world, func(d *driver, target string) error {
		one := "- objectName: go-kept\n"
		two := one + "- objectName: go-kept\n  objectAlias: dropped\n"
		for _, class := range []string{two, one} {
			if _, err := d.mount(objects(class), target); err != nil {
				return err
			}
		}
		if err := expectFile(target, "go-kept", "kept"); err != nil {
			return err
		}
		if _, err := os.Lstat(filepath.Join(target, "dropped")); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the file is still there: %v", err)
		}
		return nil
	})
}

func directories(world *stage) error {
	if err := world.setSecret("go-deep", []byte("deep")); err != nil {
		return err
	}
	target, _, err := mountNew(world, attributes(map[string]string{
		"objects":         "- objectName: go-deep\n  objectAlias: prod/db/password\n",
		"pathTranslation": "False",
	}))
	if err != nil {
		return err
	}
	return expectFile(target, "prod/db/password", "deep")
}

func version(world *stage) error {
	d, err := connect(world)
	if err != nil {
		return err
	}
	defer d.builder.Cleanup()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	text, err := secretsstore.Version(ctx, d.client)
	if err != nil || strings.Count(text, ".") != 2 {
		return fmt.Errorf("%q, %v", text, err)
	}
	return nil
}

func notFound(world *stage) error {
	target, _, err := mountNew(world, objects("- objectName: go-is-nowhere\n"))
	if status.Code(err) != codes.NotFound || !strings.Contains(err.Error(), "go-is-nowhere") {
		return fmt.Errorf("%v", err)
	}
	return expectEmpty(target)
}

func mistake(world *stage) error {
	target, _, err := mountNew(world, objects("- objectName: x\n  objectType: ooz\n"))
	if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "line 2") {
		return fmt.Errorf("%v", err)
	}
	return expectEmpty(target)
}

func expectEmpty(target string) error {
	entries, err := os.ReadDir(target)
	if err != nil {
		return err
	}
	if len(entries) != 0 {
		return fmt.Errorf("%d entries were written", len(entries))
	}
	return nil
}

func manyVolumes(world *stage) error {
	if err := world.setSecret("go-many", []byte("many")); err != nil {
		return err
	}
	d, err := connect(world)
	if err != nil {
		return err
	}
	defer d.builder.Cleanup()
	return atOnce(100, func() error {
		target, err := os.MkdirTemp(world.volume, "target-")
		if err == nil {
			_, err = d.mount(objects("- objectName: go-many\n"), target)
		}
		if err == nil {
			err = expectFile(target, "go-many", "many")
		}
		return err
	})
}

// So many files of 30,000 bytes each, all of one secret.
func thirtyThousand(world *stage, files int) (string, []byte, error) {
	contents := bytes.Repeat([]byte("0123456789"), 3000)
	var class strings.Builder
	for number := range files {
		fmt.Fprintf(&class, "- objectName: go-large\n  objectAlias: file-%d\n", number)
	}
	return class.String(), contents, world.setSecret("go-large", contents)
}

func large(world *stage) error {
	class, contents, err := thirtyThousand(world, 130)
	if err != nil {
		return err
	}
	target, _, err := mountNew(world, objects(class))
	if err != nil {
		return err
	}
	for number := range 130 {
		if err := expectFile(target, fmt.Sprintf("file-%d", number), string(contents)); err != nil {
			return err
		}
	}
	return nil
}

func tooLarge(world *stage) error {
	class, _, err := thirtyThousand(world, 150)
	if err != nil {
		return err
	}
	target, _, err := mountNew(world, objects(class))
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "file-") {
		return fmt.Errorf("%v", err)
	}
	return expectEmpty(target)
}

func noDeadline(world *stage) error {
	if err := world.setSecret("go-old", []byte("old")); err != nil {
		return err
	}
	return onTarget(world, func(d *driver, target string) error {
		old := map[string]string{"go-old": "some version"}
		_, _, err := secretsstore.MountContent(context.Background(), d.client, objects("- objectName: go-old\n"), "{}", target, "420", old)
		if err != nil {
			return err
		}
		return expectFile(target, "go-old", "old")
	})
}

// What the driver sees while the provider's pod is replaced.
var restartCases = []testCase{
	{"restart: a rolling update under constant Mounts loses none", rollingUpdate},
	{"restart: a provider that was gone is found again without a new driver", goneAndBack},
}

// Mounts all the time over one kept connection, while a second provider takes over and the first drains.
func rollingUpdate(world *stage) error {
	if err := world.setSecret("go-rolling", []byte("rolling")); err != nil {
		return err
	}
	d, err := connect(world)
	if err != nil {
		return err
	}
	defer d.builder.Cleanup()
	stop := make(chan struct{})
	var group sync.WaitGroup
	failures := make(chan error, 8)
	mounts := make(chan int, 8)
	for range cap(mounts) {
		group.Go(func() {
			count := 0
			defer func() { mounts <- count }()
			target, err := os.MkdirTemp(world.volume, "target-")
			for err == nil {
				select {
				case <-stop:
					return
				default:
				}
				if _, err = d.mount(objects("- objectName: go-rolling\n"), target); err == nil {
					err = expectFile(target, "go-rolling", "rolling")
				}
				count++
			}
			failures <- err
		})
	}
	time.Sleep(200 * time.Millisecond)
	second, err := world.startProvider()
	if err == nil {
		err = syscall.Kill(world.pid, syscall.SIGTERM)
	}
	time.Sleep(500 * time.Millisecond)
	if err == nil {
		err = d.mountInto(world)
	}
	close(stop)
	group.Wait()
	close(mounts)
	sum := 0
	for count := range mounts {
		sum += count
	}
	select {
	case failure := <-failures:
		err = errors.Join(err, failure)
	default:
	}
	if err == nil && sum < 16 {
		err = fmt.Errorf("only %d Mounts were made", sum)
	}
	world.second = second
	return err
}

func (d *driver) mountInto(world *stage) error {
	target, err := os.MkdirTemp(world.volume, "target-")
	if err != nil {
		return err
	}
	_, err = d.mount(objects("- objectName: go-rolling\n"), target)
	return err
}

func goneAndBack(world *stage) error {
	d, err := connect(world)
	if err != nil {
		return err
	}
	defer d.builder.Cleanup()
	if err := d.mountInto(world); err != nil {
		return err
	}
	if world.second == nil {
		return errors.New("there is no second provider")
	}
	if err := world.second.Process.Kill(); err != nil {
		return err
	}
	// It was killed, so its exit is no success.
	_ = world.second.Wait()
	waiting := make(chan error, 1)
	go func() { waiting <- d.mountInto(world) }()
	third, err := world.startProvider()
	if err != nil {
		return err
	}
	err = <-waiting
	if err == nil {
		err = d.mountInto(world)
	}
	if signal := third.Process.Signal(syscall.SIGTERM); signal != nil {
		return errors.Join(err, signal)
	}
	return errors.Join(err, third.Wait())
}
