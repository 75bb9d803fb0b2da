/* SPDX-License-Identifier: BSD-2-Clause */
#include "manual.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

/* Runs every command with --help, with the function that writes the help replaced by `function`. */
static int ask(const struct command *command, options_help_function *function)
{
	char name[64], option[] = "--help";
	char *words[] = {name, option, NULL};

	snprintf(name, sizeof(name), "%s", command->name);
	options_set_help(function);
	return command->run(2, words);
}

/* --- man pages --- */

/* Writes text for scdoc, in which some characters are markup. */
static void put_text(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (strchr("\\*_`[]<>#", *c))
			putchar('\\');
		putchar(*c == '\n' ? ' ' : *c);
	}
}

static void put_option(const struct option_row *row)
{
	char *help = options_help_text(row);

	if (row->letter)
		printf("*-%c*, ", row->letter);
	printf("*--%s*", row->name);
	if (row->argument) {
		printf(" ");
		put_text(row->argument);
	}
	printf("\n\t");
	put_text(help);
	printf("\n\n");
	free(help);
}

/* Writes options with the headings of their groups. `level` is the prefix of a heading. */
static void put_options(const struct option_usage *usage, const char *level)
{
	for (const struct option_row *row = usage->rows; row->name || row->help; row++) {
		if (row->name) {
			put_option(row);
		} else {
			printf("%s ", level);
			put_text(row->help);
			printf("\n\n");
		}
	}
}

static void put_usage(const struct option_usage *usage)
{
	const char *line = usage->synopsis, *end;

	/* Further forms of the synopsis are on lines of their own, aligned for --help. */
	for (; *line; line = *end ? end + 1 + strspn(end + 1, " ") : end) {
		end = strchrnul(line, '\n');
		if (strncmp(line, "escapement ", 11) != 0)
			printf("*escapement* ");
		for (const char *c = line; c < end; c++)
			printf(strchr("\\*_`[]<>#", *c) ? "\\%c" : "%c", *c);
		printf(*end ? "++\n" : "\n\n");
	}
}

static void put_page(const struct option_usage *usage)
{
	put_usage(usage);
	printf("# DESCRIPTION\n\n");
	put_text(usage->description);
	printf("\n\n# OPTIONS\n\n");
	put_options(usage, "##");
	printf("## always\n\n");
	for (const struct option_row *row = options_common; row->name; row++)
		put_option(row);
	printf("# EXAMPLES\n\n```\n%s```\n\n", usage->examples);
}

static void put_subcommand(const struct option_usage *usage)
{
	put_usage(usage);
	put_text(usage->description);
	printf("\n\n");
	put_options(usage, "##");
	printf("```\n%s```\n\n", usage->examples);
}

static void put_statuses(void)
{
	printf("# EXIT STATUS\n\n");
	for (size_t i = 0; i < CLI_STATUS_COUNT; i++) {
		printf("*%d*\n\t", cli_statuses[i].number);
		put_text(cli_statuses[i].meaning);
		printf("\n\n");
	}
}

int manual_page(const struct command *command)
{
	printf("escapement-%s(1) \"escapement " ESCAPEMENT_VERSION
	       "\"\n\n# NAME\n\nescapement-%s - %s\n\n# SYNOPSIS\n\n",
	       command->name, command->name, command->summary);
	if (command == &command_help) {
		printf("*escapement* help \\[COMMAND \\[SUBCOMMAND\\]\\]++\n*escapement* help --man \\[COMMAND\\]++\n"
		       "*escapement* help --completion bash|zsh\n\n# DESCRIPTION\n\nLists the commands, or prints "
		       "what one "
		       "of them does, its options and examples. The other forms write the manual's pages, for "
		       "*scdoc*(1), and the scripts by which shells complete.\n\n");
	} else {
		ask(command, put_page);
	}
	for (const struct command *each = command->subcommands; each && each->name; each++) {
		printf("# ESCAPEMENT %s %s\n\n", command->name, each->name);
		ask(each, put_subcommand);
	}
	put_statuses();
	printf("# SEE ALSO\n\n*escapement*(1), *goalloc-probes*(7)\n");
	return STATUS_OK;
}

void manual_index(const struct command *const *commands, size_t count)
{
	printf("escapement(1) \"escapement " ESCAPEMENT_VERSION "\"\n\n# NAME\n\n"
	       "escapement - profile heap allocations, audit escapes, gate both\n\n# SYNOPSIS\n\n"
	       "*escapement* COMMAND \\[OPTIONS\\] \\[-p PID | FILE | -- PROGRAM \\[ARG...\\]\\]\n\n# DESCRIPTION\n\n"
	       "Profiles heap allocations of live processes, Go programs and C programs on libgoalloc, and compares "
	       "them with "
	       "what the Go compiler said about them. Data goes to standard output, messages to standard error.\n\n"
	       "# COMMANDS\n\n");
	for (size_t i = 0; i < count; i++)
		printf("*escapement-%s*(1)\n\t%s\n\n", commands[i]->name, commands[i]->summary);
	put_statuses();
	printf("# SEE ALSO\n\n*goalloc-probes*(7)\n");
}

/* --- completion --- */

/* The command whose options are being written, and before it the command that it belongs to. */
static const char *path[2];

static void put_path(const char *between)
{
	printf("%s%s%s", path[0], path[1] ? between : "", path[1] ? path[1] : "");
}

static void bash_words(const struct option_usage *usage)
{
	const struct option_row *const tables[] = {usage->rows, options_common};

	printf("\t'");
	put_path(" ");
	printf("') options='");
	for (size_t i = 0; i < 2; i++) {
		for (const struct option_row *row = tables[i]; row->name || row->help; row++)
			printf(row->name ? "--%s " : "", row->name);
	}
	printf("' ;;\n");
}

static void bash_values(const struct option_usage *usage)
{
	for (const struct option_row *row = usage->rows; row->name || row->help; row++) {
		if (!row->name || !row->argument)
			continue;
		printf("\t'");
		put_path(" ");
		printf(" --%s'", row->name);
		if (row->letter) {
			printf("|'");
			put_path(" ");
			printf(" -%c'", row->letter);
		}
		printf(") values='");
		for (int i = 0; row->choices && row->choices[i]; i++)
			printf("%s ", row->choices[i]);
		printf("' ;;\n");
	}
}

/* Text inside '…[…]' of zsh's _arguments. */
static void zsh_text(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\'')
			printf("'\\''");
		else if (strchr("[]:\\", *c))
			printf("\\%c", *c);
		else
			putchar(*c);
	}
}

static void zsh_row(const struct option_row *row)
{
	for (int form = row->letter ? 0 : 1; form < 2; form++) {
		printf("\t\t\t'*");
		if (form == 0)
			printf("-%c", row->letter);
		else
			printf("--%s", row->name);
		printf(form == 1 && row->argument ? "=[" : "[");
		zsh_text(row->help);
		printf("]");
		if (row->argument) {
			printf(":");
			zsh_text(row->argument);
			printf(":");
			for (int i = 0; row->choices && row->choices[i]; i++)
				printf("%s%s", i ? " " : "(", row->choices[i]);
			printf(row->choices ? ")" : strstr(row->argument, "DIR") ? "_files -/" : "_files");
		}
		printf("' \\\n");
	}
}

static void zsh_words(const struct option_usage *usage)
{
	const struct option_row *const tables[] = {usage->rows, options_common};

	printf("\t'");
	put_path(" ");
	printf("')\n\t\t_arguments \\\n");
	for (size_t i = 0; i < 2; i++) {
		for (const struct option_row *row = tables[i]; row->name || row->help; row++) {
			if (row->name)
				zsh_row(row);
		}
	}
	printf("\t\t\t'*::file:_files' ;;\n");
}

static void each_usage(const struct command *const *commands, size_t count, options_help_function *function)
{
	for (size_t i = 0; i < count; i++) {
		path[0] = commands[i]->name;
		path[1] = NULL;
		if (commands[i] != &command_help)
			ask(commands[i], function);
		for (const struct command *each = commands[i]->subcommands; each && each->name; each++) {
			path[1] = each->name;
			ask(each, function);
		}
	}
}

static void put_names(const struct command *const *commands, size_t count)
{
	for (size_t i = 0; i < count; i++)
		printf("%s%s", i ? " " : "", commands[i]->name);
}

/* Writes the cases of bash that return the names of subcommands. */
static void put_subcommands(const struct command *const *commands, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!commands[i]->subcommands)
			continue;
		printf("\t'%s') subcommands='", commands[i]->name);
		for (const struct command *each = commands[i]->subcommands; each->name; each++)
			printf("%s ", each->name);
		printf("' ;;\n");
	}
	printf("\t'help') subcommands='");
	put_names(commands, count);
	printf("' ;;\n");
}

static void bash_script(const struct command *const *commands, size_t count)
{
	printf("# Completes escapement in bash. Made by 'escapement help --completion bash'.\n"
	       "_escapement()\n{\n"
	       "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} path=${COMP_WORDS[1]}\n"
	       "\tlocal options= values=- subcommands=\n\tCOMPREPLY=()\n"
	       "\tif [[ $COMP_CWORD -eq 1 ]]; then\n\t\tCOMPREPLY=($(compgen -W '");
	put_names(commands, count);
	printf("' -- \"$word\"))\n\t\treturn\n\tfi\n\tcase $path in\n");
	put_subcommands(commands, count);
	printf("\tesac\n\tif [[ $COMP_CWORD -eq 2 && $word != -* && $subcommands ]]; then\n"
	       "\t\tCOMPREPLY=($(compgen -W \"$subcommands\" -- \"$word\") $(compgen -f -- "
	       "\"$word\"))\n\t\treturn\n\tfi\n"
	       "\t[[ ${COMP_WORDS[2]} && \" $subcommands\" == *\" ${COMP_WORDS[2]} \"* && $path != help ]] && path+=\" "
	       "${COMP_WORDS[2]}\"\n"
	       "\tcase \"$path $before\" in\n");
	each_usage(commands, count, bash_values);
	printf("\tesac\n\tcase $path in\n");
	each_usage(commands, count, bash_words);
	printf("\tesac\n"
	       "\tif [[ $values != - ]]; then\n"
	       "\t\tif [[ $values ]]; then COMPREPLY=($(compgen -W \"$values\" -- \"$word\"))\n"
	       "\t\telse COMPREPLY=($(compgen -f -- \"$word\")); fi\n"
	       "\telif [[ $word == -* ]]; then COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
	       "\telse COMPREPLY=($(compgen -f -- \"$word\")); fi\n}\n"
	       "complete -o filenames -F _escapement escapement\n");
}

static void zsh_script(const struct command *const *commands, size_t count)
{
	printf("#compdef escapement\n# Completes escapement in zsh. Made by 'escapement help --completion zsh'.\n"
	       "_escapement()\n{\n\tlocal path_=$words[2]\n"
	       "\tif (( CURRENT == 2 )); then\n\t\tlocal -a commands=(\n");
	for (size_t i = 0; i < count; i++) {
		printf("\t\t\t'%s:", commands[i]->name);
		zsh_text(commands[i]->summary);
		printf("'\n");
	}
	printf("\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal subcommands=\n\tcase $path_ in\n");
	put_subcommands(commands, count);
	printf("\tesac\n\tif (( CURRENT == 3 )) && [[ $words[3] != -* && -n $subcommands ]]; then\n"
	       "\t\tcompadd -- ${=subcommands}\n\t\t[[ $path_ == help ]] && return\n\tfi\n"
	       "\tif [[ -n $words[3] && \" $subcommands\" == *\" $words[3] \"* && $path_ != help ]]; then\n\t\tpath_+=\" $words[3]\"\n"
	       "\t\tshift words\n\t\t(( CURRENT-- ))\n\tfi\n"
	       "\tshift words\n\t(( CURRENT-- ))\n\tcase $path_ in\n");
	each_usage(commands, count, zsh_words);
	printf("\tesac\n}\n_escapement \"$@\"\n");
}

int manual_completion(const char *shell, const struct command *const *commands, size_t count)
{
	if (strcmp(shell, "bash") == 0) {
		bash_script(commands, count);
		return STATUS_OK;
	}
	if (strcmp(shell, "zsh") == 0) {
		zsh_script(commands, count);
		return STATUS_OK;
	}
	cli_say("no completion for '%s': there are bash and zsh", shell);
	return STATUS_USAGE;
}
