// SPDX-License-Identifier: BSD-2-Clause

// Jsonserver is a typical server: it reads orders, adds them up, and answers, all in JSON.
// `jsonserver serve` prints its address and serves for ever; `jsonserver load ADDRESS CLIENTS REQUESTS` sends that
// number of requests in all, checks the answers, and ends.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
)

type item struct {
	Name   string            `json:"name"`
	Price  float64           `json:"price"`
	Count  int               `json:"count"`
	Labels map[string]string `json:"labels"`
}

type order struct {
	Customer string  `json:"customer"`
	Items    []*item `json:"items"`
}

type answer struct {
	Customer string             `json:"customer"`
	Total    float64            `json:"total"`
	ByName   map[string]float64 `json:"by_name"`
	Echo     []*item            `json:"echo"`
}

func handle(w http.ResponseWriter, r *http.Request) {
	var asked order
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	result := answer{Customer: asked.Customer, ByName: map[string]float64{}}
	for _, item := range asked.Items {
		cost := item.Price * float64(item.Count)
		result.Total += cost
		result.ByName[item.Name] += cost
		result.Echo = append(result.Echo, item)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&result)
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "jsonserver:", err)
		os.Exit(1)
	}
}

func serve() {
	http.HandleFunc("/order", handle)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	fmt.Println(listener.Addr())
	fail(http.Serve(listener, nil))
}

func request() ([]byte, float64) {
	asked, total := order{Customer: "customer"}, 0.0
	for i := 0; i < 20; i++ {
		asked.Items = append(asked.Items, &item{Name: "thing" + strconv.Itoa(i), Price: 0.5, Count: i,
			Labels: map[string]string{"color": "blue", "size": "large"}})
		total += 0.5 * float64(i)
	}
	body, err := json.Marshal(&asked)
	fail(err)
	return body, total
}

func ask(address string, body []byte, total float64) {
	var got answer
	response, err := http.Post("http://"+address+"/order", "application/json", bytes.NewReader(body))
	fail(err)
	fail(json.NewDecoder(response.Body).Decode(&got))
	io.Copy(io.Discard, response.Body)
	response.Body.Close()
	if got.Total != total || len(got.Echo) != 20 {
		fail(fmt.Errorf("answer %v", got))
	}
}

func load(address string, clients, requests int) {
	body, total := request()
	var wait sync.WaitGroup
	var begun int64
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = clients
	for i := 0; i < clients; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for atomic.AddInt64(&begun, 1) <= int64(requests) {
				ask(address, body, total)
			}
		}()
	}
	wait.Wait()
}

func main() {
	if os.Args[1] == "serve" {
		serve()
	}
	clients, err := strconv.Atoi(os.Args[3])
	fail(err)
	requests, err := strconv.Atoi(os.Args[4])
	fail(err)
	load(os.Args[2], clients, requests)
}
