// Builds the dashboard into the Python package: `node build.mjs [folder]`.
// The answer depends on the sources and the lock file alone, so that a rebuild can be compared.
import { build } from 'esbuild';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { minify } from 'terser';

const here = dirname(fileURLToPath(import.meta.url));
const out = resolve(process.argv[2] ?? join(here, '../src/fedsight/dashboard/static'));
const BUNDLED = ['preact', '@preact/signals', '@preact/signals-core', 'uplot'];
const FONTS = {
  'inter.woff2': '@fontsource-variable/inter/files/inter-latin-wght-normal.woff2',
  'jetbrains-mono.woff2':
    '@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2',
};
const FONT_LICENCES = {
  'inter.OFL.txt': '@fontsource-variable/inter/LICENSE',
  'jetbrains-mono.OFL.txt': '@fontsource-variable/jetbrains-mono/LICENSE',
};

const module = path => join(here, 'node_modules', path);

function notices() {
  const parts = BUNDLED.map(name => {
    const { version, license } = JSON.parse(readFileSync(module(`${name}/package.json`), 'utf8'));
    return `${name} ${version}, ${license}\n\n${readFileSync(module(`${name}/LICENSE`), 'utf8')}`;
  });
  return parts.join(`\n${'-'.repeat(72)}\n\n`);
}

/** Terser after esbuild: 4 % less to send. */
async function shrink() {
  for (const name of readdirSync(out).filter(name => name.endsWith('.js'))) {
    const options = { module: true, ecma: 2022, compress: { passes: 3, unsafe_arrows: true } };
    const { code } = await minify(readFileSync(join(out, name), 'utf8'), options);
    writeFileSync(join(out, name), code);
  }
}

/** Scripts that the page of a run needs: the browser fetches them at once, not one by one. */
function scriptsOfRun({ outputs }) {
  const path = Object.keys(outputs).find(name => outputs[name].entryPoint === 'src/run/page.tsx');
  const found = new Set();
  const add = output => {
    if (found.has(output)) return;
    found.add(output);
    outputs[output].imports.filter(({ kind }) => kind === 'import-statement').forEach(i => add(i.path));
  };
  add(path);
  return [...found].map(name => basename(name)).sort();
}

function page(preloaded) {
  const links = preloaded.map(name => `    <link rel="modulepreload" href="${name}">\n`).join('');
  const html = readFileSync(join(here, 'src/index.html'), 'utf8');
  writeFileSync(join(out, 'index.html'), html.replace('  </head>', `${links}  </head>`));
}

function report() {
  for (const name of readdirSync(out).sort()) {
    const bytes = readFileSync(join(out, name));
    const zipped = gzipSync(bytes, { level: 9 }).length;
    console.log(name.padEnd(26), String(bytes.length).padStart(8), `gzip ${zipped}`);
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const { metafile } = await build({
  metafile: true,
  entryPoints: {
    app: join(here, 'src/main.tsx'),
    style: join(here, 'src/style/style.css'),
    later: join(here, 'src/style/later.css'),
    policy: join(here, 'src/style/policy.css'),
  },
  outdir: out,
  absWorkingDir: here,
  preserveSymlinks: true, // where the modules really lie would be in the names of chunks
  bundle: true,
  splitting: true,
  chunkNames: '[name]-[hash]',
  minify: true,
  format: 'esm',
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  jsx: 'automatic',
  jsxImportSource: 'preact',
  external: ['*.woff2'],
  logLevel: 'warning',
});
await shrink();
page(scriptsOfRun(metafile));
copyFileSync(join(here, 'src/icon.svg'), join(out, 'icon.svg'));
for (const [name, source] of Object.entries({ ...FONTS, ...FONT_LICENCES })) {
  copyFileSync(module(source), join(out, name));
}
writeFileSync(join(out, 'NOTICES.txt'), notices());
report();
