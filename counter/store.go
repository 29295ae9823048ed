package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"
)

// count adds to a counter, whose time begins with the first that is counted. Answers how many there are now and how many
// milliseconds are left: one step for the store, so that counters that are asked at the same time lose nothing.
var count = redis.NewScript(1, `
local seen = redis.call('INCRBY', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  left = tonumber(ARGV[2])
end
return {seen, left}`)

// store is a Redis, or whatever speaks its protocol and runs scripts.
type store struct {
	pool   *redis.Pool
	prefix string
}

// question is a counter that is to be raised.
type question struct {
	key    string
	hits   uint64
	window time.Duration
}

// counted is how many there are in a time that ends after left.
type counted struct {
	seen uint64
	left time.Duration
}

func newStore(address, user, password, prefix string, timeout time.Duration) *store {
	dial := func() (redis.Conn, error) {
		return redis.Dial("tcp", address,
			redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
	}
	enter := func() (redis.Conn, error) {
		conn, err := dial()
		if err != nil || password == "" {
			return conn, err
		}
		args := []interface{}{password}
		if user != "" {
			args = []interface{}{user, password}
		}
		if _, err := conn.Do("AUTH", args...); err != nil {
			conn.Close()
			return nil, err
		}
		return conn, nil
	}
	pool := &redis.Pool{Dial: enter, MaxIdle: 64, MaxActive: 256, Wait: true, IdleTimeout: time.Minute}
	return &store{pool: pool, prefix: prefix}
}

// key names a counter. What requests are told apart by can be a secret (a key of an API): the store sees a digest only.
func (s *store) key(domain string, of *descriptor) string {
	digest := sha256.New()
	add := func(text string) {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(text)))
		digest.Write(size[:])
		digest.Write([]byte(text))
	}
	add(domain)
	for _, each := range of.Entries {
		add(each.Key)
		add(each.Value)
	}
	add(fmt.Sprint(of.Limit.Unit))
	return s.prefix + hex.EncodeToString(digest.Sum(nil))
}

// raise asks for all counters in one round.
func (s *store) raise(ctx context.Context, asked []question) ([]counted, error) {
	conn, err := s.pool.GetContext(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	for _, each := range asked {
		if err := count.Send(conn, each.key, each.hits, each.window.Milliseconds()); err != nil {
			return nil, err
		}
	}
	if err := conn.Flush(); err != nil {
		return nil, err
	}
	answers := make([]counted, 0, len(asked))
	for range asked {
		pair, err := redis.Int64s(conn.Receive())
		if err != nil {
			return nil, err
		}
		answers = append(answers, counted{seen: uint64(pair[0]), left: time.Duration(pair[1]) * time.Millisecond})
	}
	return answers, nil
}

func (s *store) ping() error {
	conn := s.pool.Get()
	defer conn.Close()
	_, err := conn.Do("PING")
	return err
}
