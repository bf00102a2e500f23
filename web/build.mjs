// Builds the dashboard into the Python package: `node build.mjs [folder]`.
// The answer depends on the sources and the lock file alone, so that a rebuild can be compared.
import { build } from 'esbuild';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

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

function report() {
  for (const name of readdirSync(out).sort()) {
    const bytes = readFileSync(join(out, name));
    const zipped = gzipSync(bytes, { level: 9 }).length;
    console.log(name.padEnd(26), String(bytes.length).padStart(8), `gzip ${zipped}`);
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: { app: join(here, 'src/main.tsx'), style: join(here, 'src/style/style.css') },
  outdir: out,
  absWorkingDir: here,
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
for (const name of ['index.html', 'icon.svg']) copyFileSync(join(here, 'src', name), join(out, name));
for (const [name, source] of Object.entries({ ...FONTS, ...FONT_LICENCES })) {
  copyFileSync(module(source), join(out, name));
}
writeFileSync(join(out, 'NOTICES.txt'), notices());
report();
