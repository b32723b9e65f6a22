package main

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// connection has the input to read and takes everything that is written. A client's handshake is answered first.
type connection struct {
	input *bytes.Reader
	// request is what a client has written of its handshake; nil on connections that are upgraded already.
	request *bytes.Buffer
	// open is closed when the input may be read.
	open chan struct{}
	once sync.Once
}

// behind101 is a connection that is upgraded already.
func behind101(input []byte) *connection {
	c := &connection{input: bytes.NewReader(input), open: make(chan struct{})}
	close(c.open)
	return c
}

// before101 is a connection on which a WebSocket client has to make its handshake.
func before101(input []byte) *connection {
	return &connection{input: bytes.NewReader(input), request: new(bytes.Buffer), open: make(chan struct{})}
}

func (c *connection) Read(p []byte) (int, error) {
	<-c.open
	return c.input.Read(p)
}

func (c *connection) Write(p []byte) (int, error) {
	if c.request != nil {
		c.request.Write(p)
		if request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.request.Bytes()))); err == nil {
			c.request = nil
			c.accept(request)
		}
	}
	return len(p), nil
}

// accept puts the 101 before the input (RFC 6455, section 4.2.2).
func (c *connection) accept(request *http.Request) {
	digest := sha1.Sum([]byte(request.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(digest[:]) + "\r\n\r\n"
	rest, _ := io.ReadAll(c.input)
	c.input.Reset(append([]byte(head), rest...))
	c.once.Do(func() { close(c.open) })
}

func (c *connection) Close() error                     { return nil }
func (c *connection) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *connection) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *connection) SetDeadline(time.Time) error      { return nil }
func (c *connection) SetReadDeadline(time.Time) error  { return nil }
func (c *connection) SetWriteDeadline(time.Time) error { return nil }

// settled is a connection on which more is read when all before it is dealt with: spdystream drops what it has not got to
// when its reading ends.
type settled struct{ net.Conn }

func (s settled) Read(p []byte) (int, error) {
	settle(40)
	return s.Conn.Read(p)
}

// settle gives way: on one processor, all others have nothing left to do after some times.
func settle(times int) {
	for range times {
		runtime.Gosched()
	}
}

// response is an http.ResponseWriter whose connection can be had, as an upgrade needs it.
type response struct {
	connection *connection
	header     http.Header
}

func (r *response) Header() http.Header         { return r.header }
func (r *response) Write(p []byte) (int, error) { return len(p), nil }
func (r *response) WriteHeader(int)             {}

func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return r.connection, bufio.NewReadWriter(bufio.NewReader(r.connection), bufio.NewWriter(r.connection)), nil
}

// upgrade is a WebSocket client's request, and the answer to be written.
func upgrade(input []byte, protocol string) (*response, *http.Request) {
	request, _ := http.NewRequest("GET", "http://server/", nil)
	request.Header = http.Header{
		"Connection":             {"Upgrade"},
		"Upgrade":                {"websocket"},
		"Sec-Websocket-Key":      {"AAAAAAAAAAAAAAAAAAAAAA=="},
		"Sec-Websocket-Version":  {"13"},
		"Sec-Websocket-Protocol": {protocol},
	}
	return &response{connection: behind101(input), header: http.Header{}}, request
}
