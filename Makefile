# make && sudo make install, then: systemctl enable --now tcpprobed
PREFIX ?= /usr/local
CARGO ?= cargo
export PREFIX DESTDIR

all:
	$(CARGO) build --release

# target/packages/*.deb and *.rpm; one alone: packaging/build.sh deb
packages:
	packaging/build.sh

install:
	packaging/install.sh

uninstall:
	packaging/install.sh --uninstall

.PHONY: all packages install uninstall
