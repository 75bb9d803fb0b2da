# The files of a release. Their content does not depend on the folder or the machine in which they are built. The time of the
# sources is that of the last commit, which all files of a tarball have.
GIT := $(wildcard .git)
ifeq ($(origin SOURCE_DATE_EPOCH),undefined)
SOURCE_DATE_EPOCH := $(shell $(if $(GIT),git log -1 --no-show-signature --format=%ct 2> /dev/null ||) stat -c %Y CHANGELOG.md)
endif
export SOURCE_DATE_EPOCH
DIST := escapement-$(VERSION)
DEB := $(B)/deb/$(DIST)

.PHONY: dist deb
# The sources of the last commit, whatever the user has configured for git and xz.
dist:
	$(Q)[ -n '$(GIT)' ] || { echo 'make dist needs a git checkout: this is already an unpacked tarball' >&2; exit 1; }
	$(Q)mkdir -p $(B)/dist
	$(Q)git -c tar.umask=0002 -c core.autocrlf=false archive --format=tar --prefix=$(DIST)/ -o $(B)/dist/$(DIST).tar HEAD
	$(Q)env -u XZ_OPT -u XZ_DEFAULTS xz -9 -T1 -f $(B)/dist/$(DIST).tar
	@echo $(B)/dist/$(DIST).tar.xz

# Binary packages of the last commit; without git, of the tree. dpkg-buildpackage expects debian/ in the folder of the sources.
deb: $(if $(GIT),dist)
	$(Q)rm -rf $(B)/deb && mkdir -p $(DEB)
	$(Q)$(if $(GIT),tar -xf $(B)/dist/$(DIST).tar.xz -C $(B)/deb,tar -c --exclude=./build . | tar -x -C $(DEB))
	$(Q)cp -r packaging/debian $(DEB)/debian
	$(Q)packaging/debian-changelog $(VERSION) > $(DEB)/debian/changelog
	$(Q)cd $(DEB) && dpkg-buildpackage -us -uc -b
	$(Q)lintian --fail-on error,warning $(B)/deb/*.changes
	@ls $(B)/deb/*.deb
