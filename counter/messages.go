package main

import "github.com/golang/protobuf/proto"

// What is used of envoy.service.ratelimit.v3 and envoy.extensions.common.ratelimit.v3: field numbers as there. Debian
// has no package of Envoy's messages for Go, and fields that are not named here are passed over by the decoder.

type rateLimitRequest struct {
	Domain      string        `protobuf:"bytes,1,opt,name=domain"`
	Descriptors []*descriptor `protobuf:"bytes,2,rep,name=descriptors"`
	HitsAddend  uint32        `protobuf:"varint,3,opt,name=hits_addend"`
}

type descriptor struct {
	Entries    []*entry `protobuf:"bytes,1,rep,name=entries"`
	Limit      *limit   `protobuf:"bytes,2,opt,name=limit"`
	HitsAddend *number  `protobuf:"bytes,3,opt,name=hits_addend"`
}

type entry struct {
	Key   string `protobuf:"bytes,1,opt,name=key"`
	Value string `protobuf:"bytes,2,opt,name=value"`
}

// limit has the same fields in a question and in an answer.
type limit struct {
	RequestsPerUnit uint32 `protobuf:"varint,1,opt,name=requests_per_unit"`
	Unit            int32  `protobuf:"varint,2,opt,name=unit"`
}

type number struct {
	Value uint64 `protobuf:"varint,1,opt,name=value"`
}

type rateLimitResponse struct {
	OverallCode int32     `protobuf:"varint,1,opt,name=overall_code"`
	Statuses    []*status `protobuf:"bytes,2,rep,name=statuses"`
}

type status struct {
	Code               int32     `protobuf:"varint,1,opt,name=code"`
	CurrentLimit       *limit    `protobuf:"bytes,2,opt,name=current_limit"`
	LimitRemaining     uint32    `protobuf:"varint,3,opt,name=limit_remaining"`
	DurationUntilReset *duration `protobuf:"bytes,4,opt,name=duration_until_reset"`
}

type duration struct {
	Seconds int64 `protobuf:"varint,1,opt,name=seconds"`
	Nanos   int32 `protobuf:"varint,2,opt,name=nanos"`
}

func (m *rateLimitRequest) Reset()         { *m = rateLimitRequest{} }
func (m *rateLimitRequest) String() string { return proto.CompactTextString(m) }
func (*rateLimitRequest) ProtoMessage()    {}

func (m *descriptor) Reset()         { *m = descriptor{} }
func (m *descriptor) String() string { return proto.CompactTextString(m) }
func (*descriptor) ProtoMessage()    {}

func (m *entry) Reset()         { *m = entry{} }
func (m *entry) String() string { return proto.CompactTextString(m) }
func (*entry) ProtoMessage()    {}

func (m *limit) Reset()         { *m = limit{} }
func (m *limit) String() string { return proto.CompactTextString(m) }
func (*limit) ProtoMessage()    {}

func (m *number) Reset()         { *m = number{} }
func (m *number) String() string { return proto.CompactTextString(m) }
func (*number) ProtoMessage()    {}

func (m *rateLimitResponse) Reset()         { *m = rateLimitResponse{} }
func (m *rateLimitResponse) String() string { return proto.CompactTextString(m) }
func (*rateLimitResponse) ProtoMessage()    {}

func (m *status) Reset()         { *m = status{} }
func (m *status) String() string { return proto.CompactTextString(m) }
func (*status) ProtoMessage()    {}

func (m *duration) Reset()         { *m = duration{} }
func (m *duration) String() string { return proto.CompactTextString(m) }
func (*duration) ProtoMessage()    {}
