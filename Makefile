# make && sudo make install, then: systemctl enable --now tcpprobed
PREFIX ?= /usr/local
CARGO ?= cargo
export PREFIX DESTDIR

all:
	$(CARGO) build --release

install:
	packaging/install.sh

uninstall:
	packaging/install.sh --uninstall

.PHONY: all install uninstall
