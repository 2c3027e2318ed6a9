// A client as Go programs are: resolves and dials with the standard library, on an IPv6 socket with
// mapped addresses when told an IPv4-mapped one.
//
// usage: dual_stack HOST PORT; prints {"local": [ip, port], "remote": [ip, port], "heard": "..."}
package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

func plain(address net.Addr) []any {
	tcp := address.(*net.TCPAddr)
	return []any{tcp.IP.String(), tcp.Port}
}

// Go itself dials a mapped address over AF_INET; servers and other runtimes use AF_INET6 for it.
func dialMapped(host, port string) (net.Conn, error) {
	address, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, err
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
	to := &syscall.SockaddrInet6{Port: address.Port}
	copy(to.Addr[:], address.IP.To16())
	if err := syscall.Connect(fd, to); err != nil {
		return nil, err
	}
	return net.FileConn(os.NewFile(uintptr(fd), "mapped"))
}

func run() error {
	host, port := os.Args[1], os.Args[2]
	dial := func(h, p string) (net.Conn, error) { return net.Dial("tcp", net.JoinHostPort(h, p)) }
	if strings.HasPrefix(host, "::ffff:") {
		dial = dialMapped
	}
	conn, err := dial(host, port)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	heard, err := io.ReadAll(conn)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"local": plain(conn.LocalAddr()), "remote": plain(conn.RemoteAddr()), "heard": string(heard)})
}

func main() {
	if err := run(); err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
