package main

import (
	"errors"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/moby/spdystream"
)

// Kinds of streams that a server reads.
var (
	execKinds    = map[string]bool{"stdin": true, "resize": true}
	forwardKinds = map[string]bool{"data": true}
)

// spdyServer is a server's end: spdystream, with streams accepted as apimachinery's httpstream/spdy does. Streams and headers
// that a real server never reads are drained here, since it would be stuck with them: our decoder has rules for those.
func spdyServer(conn net.Conn, into *delivered, kinds map[string]bool) string {
	server, err := spdystream.NewConnection(settled{conn}, true)
	if err != nil {
		return err.Error()
	}
	var resizes sync.Map
	var count atomic.Int64
	server.Serve(func(stream *spdystream.Stream) {
		kind := stream.Headers().Get("streamType")
		if kinds["data"] && forwarded(stream.Headers(), kind) != nil {
			stream.Reset()
			return
		}
		count.Add(1)
		if kind == "resize" {
			resizes.Store(stream.Identifier(), true)
		}
		follow(stream, into, kinds[kind])
		stream.SendReply(http.Header{}, false)
	})
	settle(1000)
	resizes.Range(func(id, _ any) bool { into.readSizes(id.(uint32)); return true })
	return strconv.FormatInt(count.Load(), 10) + " streams"
}

// forwarded is httpStreamReceived in k8s.io/kubelet/pkg/cri/streaming/portforward.
func forwarded(headers http.Header, kind string) error {
	port, err := strconv.ParseUint(headers.Get("port"), 10, 16)
	if err != nil || port < 1 || kind != "error" && kind != "data" {
		return errors.New("refused")
	}
	return nil
}

// spdyClient is a client's end, with the streams of exec or of one forwarded connection: 1, 3, 5 and 7.
func spdyClient(conn net.Conn, into *delivered) string {
	gate := &gated{Conn: settled{conn}, open: make(chan struct{})}
	client, err := spdystream.NewConnection(gate, false)
	if err != nil {
		return err.Error()
	}
	served := make(chan struct{})
	go func() {
		client.Serve(func(stream *spdystream.Stream) {
			follow(stream, into, false)
			stream.SendReply(http.Header{}, false)
		})
		close(served)
	}()
	for range 4 {
		stream, err := client.CreateStream(http.Header{}, nil, false)
		if err != nil {
			return err.Error()
		}
		go stream.Wait()
		follow(stream, into, true)
	}
	close(gate.open)
	<-served
	settle(1000)
	return "closed"
}

// gated is a connection that can be read once the streams are there.
type gated struct {
	net.Conn
	open chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	<-g.open
	return g.Conn.Read(p)
}

// follow reads a stream's data and headers to their ends. It is not waited for: a stream that another one with its id has
// replaced has none.
func follow(stream *spdystream.Stream, into *delivered, kept bool) {
	if !kept {
		into = &delivered{streams: map[uint32][]byte{}}
	}
	go into.drain(stream.Identifier(), stream)
	go func() {
		for _, err := stream.ReceiveHeader(); err == nil; {
			_, err = stream.ReceiveHeader()
		}
	}()
}
