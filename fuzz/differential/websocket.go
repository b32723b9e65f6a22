package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"

	gorilla "github.com/gorilla/websocket"
	xnet "golang.org/x/net/websocket"
	"k8s.io/apimachinery/pkg/util/httpstream/wsstream"
)

// Channels of exec and attach, as the kubelet and the API server's translator have them, and of two forwarded ports.
var (
	remoteCommand = []wsstream.ChannelType{
		wsstream.ReadChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.WriteChannel, wsstream.ReadChannel,
	}
	twoPorts = []wsstream.ChannelType{
		wsstream.ReadWriteChannel, wsstream.WriteChannel, wsstream.ReadWriteChannel, wsstream.WriteChannel,
	}
)

// channelServer is a server of the channel protocols: x/net under apimachinery's wsstream.
func channelServer(input []byte, into *delivered, protocol string, channels []wsstream.ChannelType) string {
	binary := protocol != "v4.base64.channel.k8s.io"
	conn := wsstream.NewConn(map[string]wsstream.ChannelProtocolConfig{protocol: {Binary: binary, Channels: channels}})
	writer, request := upgrade(input, protocol)
	_, streams, err := conn.Open(writer, request)
	if err != nil {
		return err.Error()
	}
	var all sync.WaitGroup
	for id, stream := range streams {
		all.Go(func() { into.drain(uint32(id), stream) })
	}
	all.Wait()
	if len(channels) == len(remoteCommand) {
		into.readSizes(4)
	}
	return fmt.Sprintf("closed, %d bytes unread", writer.connection.input.Len())
}

// kubectlChannels is a client of exec and attach: gorilla, read as readDemuxLoop in client-go's
// tools/remotecommand/websocket.go does.
func kubectlChannels(input []byte, into *delivered) string {
	conn, err := dial(input)
	if err != nil {
		return err.Error()
	}
	buffer := make([]byte, 32*1024)
	for {
		kind, message, err := conn.NextReader()
		if err != nil {
			return err.Error()
		}
		if kind != gorilla.BinaryMessage {
			return fmt.Sprint("unexpected message type: ", kind)
		}
		if _, err := io.ReadFull(message, buffer[:1]); err != nil {
			return "read stream id: " + err.Error()
		}
		channel := buffer[0]
		if channel > 4 {
			continue
		}
		for err == nil {
			var n int
			n, err = message.Read(buffer)
			into.add(uint32(channel), buffer[:n])
		}
		if err != io.EOF {
			return "read message: " + err.Error()
		}
	}
}

func dial(input []byte) (*gorilla.Conn, error) {
	dialer := gorilla.Dialer{NetDial: func(string, string) (net.Conn, error) { return before101(input), nil }}
	conn, _, err := dialer.Dial("ws://server/", nil)
	return conn, err
}

// xnetChannels is a client of exec and attach that has x/net's reading: a message of each frame.
func xnetChannels(input []byte, into *delivered) string {
	at := &url.URL{Scheme: "ws", Host: "server", Path: "/"}
	config := &xnet.Config{Location: at, Origin: at, Version: xnet.ProtocolVersionHybi13}
	conn, err := xnet.NewClient(config, before101(input))
	for err == nil {
		var message []byte
		if err = xnet.Message.Receive(conn, &message); err == nil && len(message) > 0 {
			into.add(uint32(message[0]), message[1:])
		}
	}
	return err.Error()
}

// tunnelServer is the API server's or kubelet's end of a tunnel: SPDY in the messages that gorilla reads.
func tunnelServer(input []byte, into *delivered) string {
	writer, request := upgrade(input, "SPDY/3.1+portforward.k8s.io")
	conn, err := (&gorilla.Upgrader{}).Upgrade(writer, request, nil)
	if err != nil {
		return err.Error()
	}
	tunnel := &tunnel{Conn: writer.connection, messages: conn}
	return spdyServer(tunnel, into, forwardKinds) + tunnel.end()
}

// tunnelClient is kubectl's end of a tunnel.
func tunnelClient(input []byte, into *delivered) string {
	conn, err := dial(input)
	if err != nil {
		return err.Error()
	}
	tunnel := &tunnel{Conn: behind101(nil), messages: conn}
	return spdyClient(tunnel, into) + tunnel.end()
}

// tunnel reads as TunnelingConnection in client-go's tools/portforward/tunneling_connection.go does.
type tunnel struct {
	net.Conn
	messages *gorilla.Conn
	message  io.Reader
	err      error
}

func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.read(p)
	if err != nil && t.err == nil {
		t.err = err
	}
	return n, err
}

func (t *tunnel) read(p []byte) (int, error) {
	for {
		if t.message == nil {
			kind, message, err := t.messages.NextReader()
			var closed *gorilla.CloseError
			if errors.As(err, &closed) && closed.Code == gorilla.CloseNormalClosure {
				return 0, io.EOF
			}
			if err != nil {
				return 0, err
			}
			if kind != gorilla.BinaryMessage {
				return 0, errors.New("invalid message type received")
			}
			t.message = message
		}
		n, err := t.message.Read(p)
		if n > 0 || err != io.EOF {
			return n, err
		}
		t.message = nil
	}
}

func (t *tunnel) end() string {
	if t.err == nil {
		return ""
	}
	return "; " + t.err.Error()
}
