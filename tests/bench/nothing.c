/* A milter that does nothing: what libmilter itself costs where a program looks at the envelope and
 * at the end of the message, as recruit-milter does on the front socket. With a second argument it is
 * given the header as well, without an answer to each field, as on the submission socket.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <libmilter/mfapi.h>

static sfsistat on_path(SMFICTX *ctx, char **args)
{
	(void)ctx;
	(void)args;
	return SMFIS_CONTINUE;
}

static sfsistat on_field(SMFICTX *ctx, char *name, char *body)
{
	(void)ctx;
	(void)name;
	(void)body;
	return SMFIS_NOREPLY;
}

static sfsistat on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps,
			     unsigned long f2, unsigned long f3, unsigned long *wanted_actions,
			     unsigned long *wanted_steps, unsigned long *pf2, unsigned long *pf3)
{
	(void)ctx;
	(void)f2;
	(void)f3;
	*wanted_actions = actions & (SMFIF_ADDRCPT | SMFIF_DELRCPT | SMFIF_ADDHDRS | SMFIF_CHGFROM);
	*wanted_steps = steps & (SMFIP_NOCONNECT | SMFIP_NOHELO | SMFIP_NODATA | SMFIP_NOEOH |
				 SMFIP_NOBODY | SMFIP_NOUNKNOWN | SMFIP_NR_HDR);
	*pf2 = *pf3 = 0;
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

	if (argc == 3) {
		milter.xxfi_header = on_field;
		milter.xxfi_negotiate = on_negotiate;
	}
	if (argc < 2 || argc > 3 || smfi_register(milter) != MI_SUCCESS ||
	    smfi_setconn(argv[1]) != MI_SUCCESS)
		return 64;
	return smfi_main();
}
