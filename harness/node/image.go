package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

// Image is one layer on nothing.
type image struct {
	names      []string
	entrypoint []string
	// From a path in the image to a file of the machine, or to a text.
	files map[string]string
	texts map[string]string
	links map[string]string
}

// Archive writes the image in the form that `docker save` gives and containerd imports.
func (i image) archive(file string) error {
	var layer bytes.Buffer
	writer := tar.NewWriter(&layer)
	made := map[string]bool{}
	add := func(path, text string, mode int64) error {
		for at := 1; at < len(path); at++ {
			if directory := path[:at]; path[at] == '/' && !made[directory] {
				made[directory] = true
				if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: directory[1:] + "/", Mode: 0o755}); err != nil {
					return err
				}
			}
		}
		if err := writer.WriteHeader(&tar.Header{Name: path[1:], Mode: mode, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err := writer.Write([]byte(text))
		return err
	}
	files := map[string]string{}
	for path, source := range i.files {
		files[path] = source
		libraries, err := libraries(source)
		if err != nil {
			return err
		}
		for _, library := range libraries {
			files[library] = library
		}
	}
	for _, path := range sorted(files) {
		text, err := os.ReadFile(files[path])
		if err != nil {
			return err
		}
		if err := add(path, string(text), 0o755); err != nil {
			return err
		}
	}
	for _, path := range sorted(i.texts) {
		if err := add(path, i.texts[path], 0o755); err != nil {
			return err
		}
	}
	for _, path := range sorted(i.links) {
		if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path[1:], Linkname: i.links[path]}); err != nil {
			return err
		}
	}
	// A directory for everybody's temporary files, as in most images.
	if err := writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return err
	}
	if err := writer.Close(); err != nil {
		return err
	}
	sum := sha256.Sum256(layer.Bytes())
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.entrypoint, "Env": []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal([]any{map[string]any{"Config": "config.json", "RepoTags": i.names, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return err
	}
	output, err := os.Create(file)
	if err != nil {
		return err
	}
	defer output.Close()
	archive := tar.NewWriter(output)
	for name, content := range map[string][]byte{"config.json": config, "manifest.json": manifest, "layer.tar": layer.Bytes()} {
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		if _, err := archive.Write(content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// Libraries are the files that a program needs beside itself.
func libraries(program string) ([]string, error) {
	file, err := elf.Open(program)
	if err != nil {
		return nil, nil // A script.
	}
	defer file.Close()
	if names, _ := file.ImportedLibraries(); len(names) == 0 {
		return nil, nil
	}
	said, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil, err
	}
	var found []string
	for _, word := range strings.Fields(string(said)) {
		if filepath.IsAbs(word) {
			found = append(found, word)
		}
	}
	return found, nil
}

func sorted(of map[string]string) []string {
	var keys []string
	for key := range of {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}
