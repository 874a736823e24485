# berth: one file, no recursion. `make help` lists the targets.
VERSION := 0.1.0
BUILD ?= release
PREFIX ?= /usr
SEEDS ?= 2000
SECONDS ?= 60
O := build/$(BUILD)
ifneq ($(origin CC),default)
ifneq ($(notdir $(CC)),gcc)
O := build/$(BUILD)-$(notdir $(CC))
endif
else
CC := gcc
endif

PACKAGES := libuv libcurl libcjson libmicrohttpd libcrypto
TOOL_PACKAGES := smartcols
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
  -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wswitch-enum -Wno-format-nonliteral
CPPFLAGS += -Iinclude -I. -D_GNU_SOURCE -DBERTH_VERSION='"$(VERSION)"' \
  $(shell pkg-config --cflags $(PACKAGES) $(TOOL_PACKAGES) 2>/dev/null)
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_debug := -O0 -g
# Instrumented code makes gcc see truncation where there is none.
CFLAGS_asan := -O1 -g -Wno-format-truncation -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
CFLAGS += -std=gnu17 -fPIE $(WARNINGS) $(CFLAGS_$(BUILD))
LDFLAGS += -pie -Wl,-z,relro,-z,now $(filter -fsanitize%,$(CFLAGS_$(BUILD)))
LIBS := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)
TOOL_LIBS := $(shell pkg-config --libs $(TOOL_PACKAGES) 2>/dev/null)

Q := $(if $(V),,@)
objects = $(patsubst %.c,$(O)/%.o,$(1))
LIBRARY_SOURCES := $(wildcard agent/base/*.c agent/model/*.c agent/core/*.c agent/edge/*.c)
AGENT_SOURCES := $(wildcard agent/*.c)
CLI_SOURCES := $(wildcard agent/cli/*.c)
SIM_SOURCES := $(wildcard tests/sim/*.c)
TEST_LIBRARY := $(filter-out tests/lib/test_main.c tests/sim/main.c,\
  $(wildcard tests/lib/*.c tests/sim/*.c))
TEST_SOURCES := $(wildcard tests/base/*.c tests/model/*.c tests/core/*.c tests/edge/*.c tests/cli/*.c)
FUZZ_SOURCES := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
TESTS := $(patsubst %.c,$(O)/%,$(TEST_SOURCES))
REPLAYS := $(patsubst tests/fuzz/%.c,$(O)/tests/fuzz/%_replay,$(FUZZ_SOURCES))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZ_SOURCES))

all: build/berthd build/berth  ## build/berthd and build/berth
build/berthd: $(O)/berthd
	@install -m 755 $< $@
build/berth: $(O)/berth
	@install -m 755 $< $@

$(O)/libberth.a: $(call objects,$(LIBRARY_SOURCES))
	@rm -f $@ && ar rcs $@ $^
$(O)/berthd: $(call objects,$(AGENT_SOURCES)) $(O)/libberth.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(O)/berth: $(call objects,$(CLI_SOURCES)) $(O)/libberth.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) $(TOOL_LIBS)
$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
$(O)/sim: $(call objects,$(SIM_SOURCES)) $(O)/libberth.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
$(O)/libtest.a: $(call objects,$(TEST_LIBRARY))
	@rm -f $@ && ar rcs $@ $^
$(TESTS): $(O)/%: $(O)/%.o $(O)/tests/lib/test_main.o $(O)/libtest.a $(O)/libberth.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka
# The tests of the command run the program itself.
$(filter $(O)/tests/cli/%,$(TESTS)): | $(O)/berth
$(REPLAYS): $(O)/tests/fuzz/%_replay: $(O)/tests/fuzz/%.o $(O)/tests/fuzz/replay.o $(O)/libberth.a
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS)
build/fuzz/%: tests/fuzz/%.c $(LIBRARY_SOURCES)
	@mkdir -p $(@D)
	$(Q)clang $(CPPFLAGS) -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)

-include $(shell find build -name '*.d' 2>/dev/null)

# What the tests are made of; `make check` installs what is missing first.
deps:  ## install what building and testing need
	@deploy/install-deps.sh
unit: $(TESTS) $(REPLAYS)  ## unit and edge tests, fuzz corpora replayed
	@tests/run.sh $(TESTS) $(REPLAYS)
sim: $(O)/sim  ## simulation: make sim SEEDS=n
	@$(O)/sim --seeds $(SEEDS)
mutants: $(O)/sim  ## every listed one-line bug must be seen by some seed
	@O=$(O) tests/sim/mutants.sh
e2e: all  ## end to end against a real, private runtime
	@tests/run.sh $(wildcard tests/e2e/test_*.sh)
lint:  ## layers, format, banned calls, static analysis
	@tests/lint.sh
fuzz: $(FUZZERS)  ## make fuzz SECONDS=n, each target
	@tests/fuzz/run.sh $(SECONDS) $(FUZZERS)
check:  ## everything; ends with "N passed, N failed, N skipped"
	@tests/check.sh
demo:  ## real containers, launched, supervised, replaced
	@deploy/demo/demo.sh start
demo-stop:  ## remove everything that the demo made
	@deploy/demo/demo.sh stop
man: $(patsubst deploy/man/%.scd,build/man/%,$(wildcard deploy/man/*.scd))  ## build/man
build/man/%: deploy/man/%.scd
	@mkdir -p $(@D) && scdoc < $< > $@
install: all man  ## make install DESTDIR= PREFIX=
	@deploy/install.sh "$(DESTDIR)" "$(PREFIX)"
format:  ## clang-format everything in place
	@clang-format -i $$(git ls-files -co --exclude-standard '*.[ch]')
clean:
	rm -rf build
help:
	@sed -n 's/^\([a-z0-9-]*\):.*##/\1\t/p' Makefile | expand -t 12

.PHONY: all deps unit sim mutants e2e lint fuzz check demo demo-stop man install format clean help
