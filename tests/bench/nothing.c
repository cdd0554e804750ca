/* A milter that does nothing: what libmilter itself costs where a program looks at the envelope and
 * at the end of the message, as recruit-milter does.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <libmilter/mfapi.h>

static sfsistat on_path(SMFICTX *ctx, char **args)
{
	(void)ctx;
	(void)args;
	return SMFIS_CONTINUE;
}

static sfsistat on_eom(SMFICTX *ctx)
{
	(void)ctx;
	return SMFIS_CONTINUE;
}

int main(int argc, char **argv)
{
	struct smfiDesc milter = {
		.xxfi_name = "nothing",
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = SMFIF_ADDRCPT | SMFIF_DELRCPT,
		.xxfi_envfrom = on_path,
		.xxfi_envrcpt = on_path,
		.xxfi_eom = on_eom,
	};

	if (argc != 2 || smfi_register(milter) != MI_SUCCESS ||
	    smfi_setconn(argv[1]) != MI_SUCCESS)
		return 64;
	return smfi_main();
}
