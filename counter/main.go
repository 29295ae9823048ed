// tandem-counter counts requests for all proxies together: Envoy's rate limit protocol (envoy.service.ratelimit.v3)
// over gRPC, with the counts in Redis. How many are allowed comes with each question. Any number of these may run
// beside one store. Go, since it is in the path of requests; see docs/design/0054-a-counter.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	failed "google.golang.org/grpc/status"
)

const (
	ok        = 1
	overLimit = 2
	day       = 24 * time.Hour
)

var windows = map[int32]time.Duration{
	1: time.Second, 2: time.Minute, 3: time.Hour, 4: day, 5: 30 * day, 6: 365 * day, 7: 7 * day,
}

type counters struct {
	store  *store
	silent int32 // whether the store did not answer the last question
}

func (c *counters) shouldRateLimit(ctx context.Context, request *rateLimitRequest) (*rateLimitResponse, error) {
	var asked []question
	response := &rateLimitResponse{OverallCode: ok}
	for i, each := range request.Descriptors {
		response.Statuses = append(response.Statuses, &status{Code: ok, CurrentLimit: each.Limit})
		if each.Limit == nil {
			continue // nothing says how many: as Envoy's own server has it, all may pass
		}
		window, known := windows[each.Limit.Unit]
		if !known {
			return nil, failed.Errorf(codes.InvalidArgument, "descriptors[%d].limit.unit: %d is none", i, each.Limit.Unit)
		}
		asked = append(asked, question{key: c.store.key(request.Domain, each), hits: hits(request, each), window: window})
	}
	if len(asked) == 0 {
		return response, nil
	}
	answers, err := c.store.raise(ctx, asked)
	c.tell(err)
	if err != nil {
		return nil, failed.Error(codes.Unavailable, "the store does not answer")
	}
	for _, each := range response.Statuses {
		if each.CurrentLimit == nil {
			continue
		}
		found := answers[0]
		answers = answers[1:]
		each.DurationUntilReset = &duration{Seconds: int64(found.left / time.Second), Nanos: int32(found.left % time.Second)}
		if allowed := uint64(each.CurrentLimit.RequestsPerUnit); found.seen > allowed {
			each.Code, response.OverallCode = overLimit, overLimit
		} else {
			each.LimitRemaining = uint32(allowed - found.seen)
		}
	}
	return response, nil
}

func hits(request *rateLimitRequest, of *descriptor) uint64 {
	if of.HitsAddend != nil {
		return of.HitsAddend.Value
	}
	if request.HitsAddend > 0 {
		return uint64(request.HitsAddend)
	}
	return 1
}

// tell writes a line when the store falls silent, and one when it answers again.
func (c *counters) tell(err error) {
	if err != nil && atomic.SwapInt32(&c.silent, 1) == 0 {
		log.Printf("the store does not answer: %v", err)
	}
	if err == nil && atomic.SwapInt32(&c.silent, 0) == 1 {
		log.Print("the store answers again")
	}
}

// watch has the health of this server be that of the store, for probes.
func (c *counters) watch(health *health.Server, every time.Duration) {
	for {
		err := c.store.ping()
		c.tell(err)
		state := grpc_health_v1.HealthCheckResponse_SERVING
		if err != nil {
			state = grpc_health_v1.HealthCheckResponse_NOT_SERVING
		}
		health.SetServingStatus("", state)
		time.Sleep(every)
	}
}

func answer(server interface{}, ctx context.Context, decode func(interface{}) error, _ grpc.UnaryServerInterceptor) (interface{}, error) {
	request := new(rateLimitRequest)
	if err := decode(request); err != nil {
		return nil, err
	}
	return server.(*counters).shouldRateLimit(ctx, request)
}

var service = grpc.ServiceDesc{
	ServiceName: "envoy.service.ratelimit.v3.RateLimitService",
	HandlerType: (*interface{})(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "ShouldRateLimit", Handler: answer}},
}

func main() {
	listen := flag.String("listen", ":8081", "`address` to serve gRPC on")
	address := flag.String("redis", "127.0.0.1:6379", "`address` of the store")
	user := flag.String("redis-user", "", "`name` for Redis' AUTH; the default user where it is empty")
	secret := flag.String("redis-password-file", "", "`file` with the password for it")
	prefix := flag.String("prefix", "tandem:", "what all keys in the store begin with")
	timeout := flag.Duration("timeout", 100*time.Millisecond, "how long the store may take")
	flag.Parse()
	if flag.NArg() > 0 {
		quit("%q: there are no arguments beside options", flag.Arg(0))
	}
	password := ""
	if *secret != "" {
		text, err := os.ReadFile(*secret)
		if err != nil {
			quit("-redis-password-file: %v", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	socket, err := net.Listen("tcp", *listen)
	if err != nil {
		quit("-listen: %v", err)
	}
	counting := &counters{store: newStore(*address, *user, password, *prefix, *timeout)}
	server, health := grpc.NewServer(), health.NewServer()
	server.RegisterService(&service, counting)
	grpc_health_v1.RegisterHealthServer(server, health)
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-ended
		server.GracefulStop()
	}()
	log.Printf("counts at %s, with the store at %s", socket.Addr(), *address)
	go counting.watch(health, time.Second)
	if err := server.Serve(socket); err != nil {
		quit("%v", err)
	}
}

func quit(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, "error: "+format+"\n", args...)
	os.Exit(2)
}
