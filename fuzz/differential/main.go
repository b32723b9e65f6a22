// Command differential says what the libraries of Kubernetes deliver of given bytes: fuzz/src/differential compares that
// with what our decoder records.
//
// It reads inputs on standard input and answers each on standard output. Numbers are big endian.
//
//	input    reader, 1 byte | length, 4 bytes | bytes, as they come behind the 101
//	answer   count, 4 bytes | count times: stream, 4 bytes | length, 4 bytes | bytes delivered
//	         length, 4 bytes | how the reading ended, in words
//
// A reader is one end of a connection. The streams of a channel protocol are its channels, those of SPDY its stream ids. What
// the kubelet makes of a resize stream is told as well, as a stream of lines whose number is sizes more.
package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sort"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// readers are numbered as in fuzz/src/differential/readers.rs.
var readers = []func(input []byte, into *delivered) string{
	func(in []byte, to *delivered) string {
		return channelServer(in, to, "v4.channel.k8s.io", remoteCommand)
	},
	func(in []byte, to *delivered) string {
		return channelServer(in, to, "v5.channel.k8s.io", remoteCommand)
	},
	func(in []byte, to *delivered) string {
		return channelServer(in, to, "v4.base64.channel.k8s.io", remoteCommand)
	},
	func(in []byte, to *delivered) string { return channelServer(in, to, "v4.channel.k8s.io", twoPorts) },
	kubectlChannels,
	xnetChannels,
	func(in []byte, to *delivered) string { return spdyServer(behind101(in), to, execKinds) },
	func(in []byte, to *delivered) string { return spdyServer(behind101(in), to, forwardKinds) },
	func(in []byte, to *delivered) string { return spdyClient(behind101(in), to) },
	tunnelServer,
	tunnelClient,
}

// delivered is what each stream's reader got.
type delivered struct {
	sync.Mutex
	streams map[uint32][]byte
}

// patience is how long a reader may take for an input.
const patience = 20 * time.Second

// sizes is added to a resize stream's number.
const sizes = 1 << 31

// readSizes reads a resize stream as handleResizeEvents in k8s.io/kubelet/pkg/cri/streaming/remotecommand does.
func (d *delivered) readSizes(stream uint32) {
	d.Lock()
	decoder := json.NewDecoder(bytes.NewReader(d.streams[stream]))
	d.Unlock()
	for {
		var size struct{ Width, Height uint16 }
		if err := decoder.Decode(&size); err != nil {
			return
		}
		d.add(stream+sizes, fmt.Appendln(nil, size.Width, size.Height))
	}
}

func (d *delivered) add(stream uint32, bytes []byte) {
	d.Lock()
	defer d.Unlock()
	d.streams[stream] = append(d.streams[stream], bytes...)
}

// drain reads a stream to its end.
func (d *delivered) drain(stream uint32, from io.Reader) {
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		d.add(stream, buffer[:n])
		if err != nil {
			return
		}
	}
}

func (d *delivered) write(out io.Writer, end string) {
	d.Lock()
	defer d.Unlock()
	var ids []uint32
	for id, bytes := range d.streams {
		if len(bytes) > 0 {
			ids = append(ids, id)
		}
	}
	sort.Slice(ids, func(a, b int) bool { return ids[a] < ids[b] })
	number := func(n int) { binary.Write(out, binary.BigEndian, uint32(n)) }
	number(len(ids))
	for _, id := range ids {
		number(int(id))
		number(len(d.streams[id]))
		out.Write(d.streams[id])
	}
	number(len(end))
	io.WriteString(out, end)
}

func answer(in io.Reader, out *bufio.Writer) error {
	var head [5]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return err
	}
	input := make([]byte, binary.BigEndian.Uint32(head[1:]))
	if _, err := io.ReadFull(in, input); err != nil {
		return err
	}
	if int(head[0]) >= len(readers) {
		return fmt.Errorf("there is no reader %d", head[0])
	}
	late := time.AfterFunc(patience, func() { panic(fmt.Sprintf("reader %d is stuck with %x", head[0], input)) })
	defer late.Stop()
	got := &delivered{streams: map[uint32][]byte{}}
	got.write(out, readers[head[0]](input, got))
	return out.Flush()
}

func main() {
	// One at a time: see settled.
	runtime.GOMAXPROCS(1)
	klog.SetLogger(logr.Discard())
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	for {
		switch err := answer(in, out); err {
		case nil:
		case io.EOF:
			return
		default:
			fmt.Fprintln(os.Stderr, "differential:", err)
			os.Exit(1)
		}
	}
}
