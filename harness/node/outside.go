package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"time"
)

// Settings are what the command line says.
type settings struct {
	tools, provider, image, cloud, driver, chart, here string
	keep, verbose                                      bool
	// Of this run: a directory for everything, and a control group's name in each hierarchy.
	place, group string
	cases        []string
}

func parse(arguments []string) (*settings, error) {
	s := &settings{}
	flags := flag.NewFlagSet("node", flag.ContinueOnError)
	flags.StringVar(&s.tools, "tools", "", "directory with cluster, driver, helm and pause")
	flags.StringVar(&s.provider, "provider", "", "the provider's binary")
	flags.StringVar(&s.image, "image", "", "the provider's image as docker-archive, instead of its binary")
	flags.StringVar(&s.cloud, "cloud", "", "the fake cloud's binary")
	flags.StringVar(&s.driver, "driver", "", "directory of the driver's module")
	flags.StringVar(&s.chart, "chart", "", "the provider's chart")
	flags.StringVar(&s.here, "here", "", "the directory harness/node")
	flags.BoolVar(&s.keep, "keep", false, "keep the node's directory, with the logs")
	flags.BoolVar(&s.verbose, "v", false, "show each warning, also of cases that pass")
	flags.StringVar(&s.place, "place", "", "set by run")
	flags.StringVar(&s.group, "group", "", "set by run")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	s.cases = flags.Args()
	if s.image != "" {
		s.provider = s.image
	}
	for _, path := range []*string{&s.tools, &s.provider, &s.cloud, &s.driver, &s.chart, &s.here} {
		if *path == "" {
			return nil, errors.New("-tools, -provider, -cloud, -driver, -chart and -here are needed")
		}
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		*path = absolute
	}
	if s.image != "" {
		s.image = s.provider
	}
	return s, nil
}

// MountPoints are where the node's directories go; those that the machine does not have are made, and removed at the end.
var mountPoints = []string{"/var/lib/kubelet", "/etc/kubernetes", "/var/log/pods", "/var/log/containers", "/var/lib/cni"}

// Outside makes the namespaces, waits for their end, and leaves the machine as it was.
func outside(arguments []string) error {
	s, err := parse(arguments)
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return errors.New("needs root, for namespaces, mounts and control groups")
	}
	// Two runs would take each other's mount points away.
	lock, err := os.Create(filepath.Join(s.tools, "lock"))
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("another run has not ended yet: %w", err)
	}
	if s.place, err = os.MkdirTemp("", "node-test-"); err != nil {
		return err
	}
	defer func() {
		if s.keep {
			fmt.Printf("kept: %s\n", s.place)
			return
		}
		_ = os.RemoveAll(s.place)
	}()
	var made []string
	defer func() {
		for _, path := range made {
			_ = os.Remove(path)
		}
	}()
	for _, path := range mountPoints {
		if _, err := os.Stat(path); err == nil {
			continue
		}
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
		made = append(made, path)
	}
	s.group = fmt.Sprintf("node-test-%d", os.Getpid())
	defer removeGroups(s.group)
	if err := makeGroups(s.group); err != nil {
		return err
	}

	// The child is to die with this thread.
	runtime.LockOSThread()
	command := exec.Command("/proc/self/exe", append([]string{"init"}, s.arguments()...)...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true,
	}
	if err := command.Start(); err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-stop
		_ = command.Process.Kill()
	}()
	return command.Wait()
}

func (s *settings) arguments() []string {
	arguments := []string{"-tools", s.tools, "-provider", s.provider, "-image", s.image, "-cloud", s.cloud, "-driver", s.driver,
		"-chart", s.chart, "-here", s.here, "-place", s.place, "-group", s.group, fmt.Sprintf("-v=%t", s.verbose)}
	return append(arguments, s.cases...)
}

// First is pid 1: whatever loses its parent becomes its child, and when the cases end, everything does.
func first(arguments []string) error {
	runtime.LockOSThread()
	command := exec.Command("/proc/self/exe", append([]string{"inside"}, arguments...)...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return err
		}
		if pid == command.Process.Pid && (status.Exited() || status.Signaled()) {
			if status.ExitStatus() != 0 {
				return fmt.Errorf("the cases ended with %d", status.ExitStatus())
			}
			return nil
		}
	}
}

// Hierarchies are the mounted ones of cgroup v1.
func hierarchies() ([]string, error) {
	var status syscall.Statfs_t
	if err := syscall.Statfs("/sys/fs/cgroup", &status); err != nil {
		return nil, err
	}
	if status.Type == 0x63677270 {
		return nil, errors.New("this machine has cgroup v2 only, and this check was made for the hierarchies of cgroup v1")
	}
	entries, err := os.ReadDir("/sys/fs/cgroup")
	if err != nil {
		return nil, err
	}
	var found []string
	for _, entry := range entries {
		// Links are other names of the same.
		if entry.IsDir() && entry.Name() != "unified" {
			found = append(found, filepath.Join("/sys/fs/cgroup", entry.Name()))
		}
	}
	return found, nil
}

func makeGroups(name string) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, hierarchy := range all {
		group := filepath.Join(hierarchy, name)
		if err := os.Mkdir(group, 0o755); err != nil {
			return err
		}
		if filepath.Base(hierarchy) != "cpuset" {
			continue
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			text, err := os.ReadFile(filepath.Join(hierarchy, file))
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(group, file), text, 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// RemoveGroups removes a control group with all below it, from every hierarchy.
func removeGroups(name string) {
	all, err := hierarchies()
	if err != nil {
		return
	}
	// Containers are also in the one of version 2, which kubelet does not use.
	for _, hierarchy := range append(all, "/sys/fs/cgroup/unified") {
		removeGroup(filepath.Join(hierarchy, name))
	}
}

func removeGroup(top string) {
	for range 50 {
		var directories []string
		_ = filepath.WalkDir(top, func(path string, entry os.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				directories = append(directories, path)
			}
			return nil
		})
		if len(directories) == 0 {
			return
		}
		// The deepest first.
		sort.Slice(directories, func(i, j int) bool {
			return strings.Count(directories[i], "/") > strings.Count(directories[j], "/")
		})
		for _, directory := range directories {
			_ = os.Remove(directory)
		}
		if _, err := os.Stat(top); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	fmt.Fprintf(os.Stderr, "cannot remove %s\n", top)
}
