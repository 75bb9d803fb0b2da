// SPDX-License-Identifier: BSD-2-Clause

// Loop does little but allocate: `loop DEPTH [SIZE [WORK]]` allocates objects of 64 bytes (or SIZE: 16, 512), does not
// keep them, and does WORK steps of other work after each. The stack has DEPTH frames below mallocgc. Every 20 ms it
// prints a line: objects so far, nanoseconds of the process's CPU time so far.
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
var result uint64

func cpu() int64 {
	const processClock = 2
	var time syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&time)), 0)
	return time.Nano()
}

func step(state uint64, work int) uint64 {
	for ; work > 0; work-- {
		state ^= state << 13
		state ^= state >> 7
	}
	return state
}

//go:noinline
func allocate(size, work int) {
	state := uint64(size)
	switch size {
	case 16:
		for i := 0; i < batch; i++ {
			sink16 = new([16]byte)
			state = step(state, work)
		}
	case 64:
		for i := 0; i < batch; i++ {
			sink64 = new([64]byte)
			state = step(state, work)
		}
	default:
		for i := 0; i < batch; i++ {
			sink512 = new([512]byte)
			state = step(state, work)
		}
	}
	result = state
}

// Frames of 136 bytes, the average of Go functions.
//
//go:noinline
func deeper(depth, size, work int) int {
	var locals [12]int
	locals[depth%len(locals)] = depth
	if depth > 0 {
		return deeper(depth-1, size, work) + locals[size%len(locals)]
	}
	allocate(size, work)
	return locals[size%len(locals)]
}

// Frames of the stack other than those of deeper(): newobject, allocate, main, runtime.main, goexit.
const others = 5

func main() {
	runtime.GOMAXPROCS(1)
	arguments := [...]int{others + 1, 64, 0}
	for i, argument := range os.Args[1:] {
		arguments[i], _ = strconv.Atoi(argument)
	}
	depth, size, work := arguments[0], arguments[1], arguments[2]
	out := bufio.NewWriter(os.Stdout)
	objects, printed := 0, int64(0)
	for {
		deeper(depth-others-1, size, work)
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
