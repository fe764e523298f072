// Registers the CSI driver of crates/csi-driver with the kubelet beside it: registrar <kubelet's folder> <driver> <socket of the driver>.
//
// The driver can't answer this one call itself. kubelet sends the path of the socket as the authority of the request, and HTTP/2 in
// Rust (h2) takes no such authority.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type server struct {
	registration.UnimplementedRegistrationServer
	driver, socket string
}

func (s server) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: s.driver, Endpoint: s.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (s server) NotifyRegistrationStatus(_ context.Context, status *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if status.PluginRegistered {
		fmt.Println("registered", s.driver)
	} else {
		fmt.Println("kubelet does not take", s.driver+":", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func run(kubelet, driver, socket string) error {
	path := filepath.Join(kubelet, "plugins_registry", driver+"-reg.sock")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// What an earlier process left.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	answers := grpc.NewServer()
	registration.RegisterRegistrationServer(answers, server{driver: driver, socket: socket})
	return answers.Serve(listener)
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: registrar <kubelet's folder> <driver> <socket of the driver>")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "registrar:", err)
		os.Exit(1)
	}
}
