// SPDX-License-Identifier: BSD-2-Clause

// Loop does nothing but allocate: `loop DEPTH [SIZE]` allocates objects of 64 bytes (or SIZE: 16, 512) that nobody
// keeps, from a stack with DEPTH frames in all below mallocgc, and prints a line each 20 ms: objects so far, nanoseconds
// of the process's CPU time so far.
package main

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

const batch = 1000

var sink16 *[16]byte
var sink64 *[64]byte
var sink512 *[512]byte

func cpu() int64 {
	const processClock = 2
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}

//go:noinline
func allocate(size int) {
	switch size {
	case 16:
		for i := 0; i < batch; i++ {
			sink16 = new([16]byte)
		}
	case 64:
		for i := 0; i < batch; i++ {
			sink64 = new([64]byte)
		}
	default:
		for i := 0; i < batch; i++ {
			sink512 = new([512]byte)
		}
	}
}

//go:noinline
func deeper(depth, size int) {
	if depth > 0 {
		deeper(depth-1, size)
		return
	}
	allocate(size)
}

// Frames of the stack besides deeper()'s own: newobject, allocate, main, runtime.main, goexit.
const others = 5

func main() {
	runtime.GOMAXPROCS(1)
	depth, _ := strconv.Atoi(os.Args[1])
	size := 64
	if len(os.Args) > 2 {
		size, _ = strconv.Atoi(os.Args[2])
	}
	out := bufio.NewWriter(os.Stdout)
	objects, printed := 0, int64(0)
	for {
		deeper(depth-others-1, size)
		objects += batch
		if now := cpu(); now-printed > 20e6 {
			printed = now
			line := strconv.AppendInt(nil, int64(objects), 10)
			line = append(line, ' ')
			line = append(strconv.AppendInt(line, now, 10), '\n')
			out.Write(line)
			out.Flush()
		}
	}
}
