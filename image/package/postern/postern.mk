################################################################################
#
# postern
#
################################################################################

# The source is the tree that this folder belongs to.
POSTERN_VERSION = local
POSTERN_SITE = $(BR2_EXTERNAL_POSTERN_PATH)/..
POSTERN_SITE_METHOD = local
POSTERN_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude target --exclude var
POSTERN_LICENSE = MIT
POSTERN_LICENSE_FILES = LICENSE
POSTERN_DEPENDENCIES = host-pkgconf vectorscan
# hyperscan's crate reads the C headers by libclang.
POSTERN_DEPENDENCIES += host-clang
POSTERN_CARGO_ENV = LIBCLANG_PATH=$(HOST_DIR)/lib
POSTERN_CARGO_BUILD_OPTS = --bins

# Crates come from the folder that `cargo vendor` made; local sources are not vendored by
# Buildroot itself.
define POSTERN_VENDOR
	cd $(@D) && $(TARGET_MAKE_ENV) $(PKG_CARGO_ENV) \
		cargo vendor --locked --manifest-path $(@D)/Cargo.toml VENDOR > $(@D)/.vendor.toml
	mkdir -p $(@D)/.cargo
	cp $(@D)/.vendor.toml $(@D)/.cargo/config.toml
endef
POSTERN_PRE_BUILD_HOOKS += POSTERN_VENDOR

# Only the program; the overlay and the units are put in by post-build.
define POSTERN_INSTALL_TARGET_CMDS
	$(INSTALL) -D -m 0755 \
		$(@D)/target/$(RUSTC_TARGET_NAME)/release/postern \
		$(TARGET_DIR)/usr/bin/postern
	$(INSTALL) -D -m 0755 \
		$(@D)/target/$(RUSTC_TARGET_NAME)/release/postern-early \
		$(TARGET_DIR)/usr/lib/postern/early
endef

$(eval $(cargo-package))
