// echo talks TLS 1.3 by Go's crypto/tls: `echo server DIR` prints its port and echoes connections,
// `echo client DIR PORT BYTES` sends a pattern and expects it back.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"strconv"
)

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func config(dir string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(dir+"/peer-cert.pem", dir+"/peer-key.pem")
	check(err)
	root, err := os.ReadFile(dir + "/root.pem")
	check(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(root)
	return &tls.Config{
		Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool, RootCAs: pool,
		// A workload's name is a URI, which the name check of crypto/tls does not know.
		InsecureSkipVerify: true,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			leaf, err := x509.ParseCertificate(raw[0])
			if err != nil {
				return err
			}
			_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			return err
		},
	}
}

func serve(dir string) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config(dir))
	check(err)
	_, port, _ := splitPort(listener.Addr().String())
	fmt.Println("port", port)
	for {
		conn, err := listener.Accept()
		check(err)
		go func() {
			io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

func splitPort(address string) (string, string, bool) {
	for i := len(address) - 1; i >= 0; i-- {
		if address[i] == ':' {
			return address[:i], address[i+1:], true
		}
	}
	return address, "", false
}

func call(dir, port string, size int) {
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, config(dir))
	check(err)
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * 31 >> 3)
	}
	go func() {
		for at, step := 0, 1; at < size; step = step*3 + 1 {
			end := min(at+step, size)
			conn.Write(sent[at:end])
			at = end
			if step > 40000 {
				step = 1
			}
		}
		conn.CloseWrite()
	}()
	got, err := io.ReadAll(conn)
	check(err)
	if !bytes.Equal(sent, got) {
		fmt.Println("the echo is not the same")
		os.Exit(1)
	}
	fmt.Println("same", len(got))
}

func main() {
	if os.Args[1] == "server" {
		serve(os.Args[2])
	}
	size, err := strconv.Atoi(os.Args[4])
	check(err)
	call(os.Args[2], os.Args[3], size)
}
