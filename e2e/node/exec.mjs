// node exec.mjs KUBECONFIG ARGV-AS-JSON: pipes stdin into an exec in pod `shell` and prints what came back as JSON.
import { PassThrough } from "node:stream";
import { Exec, KubeConfig } from "@kubernetes/client-node";

const [kubeconfig, argv] = process.argv.slice(2);
const config = new KubeConfig();
config.loadFromFile(kubeconfig);

const collect = () => {
  const stream = new PassThrough();
  const parts = [];
  stream.on("data", (part) => parts.push(part));
  return { stream, text: () => Buffer.concat(parts).toString("utf8") };
};
const stdout = collect();
const stderr = collect();

let status = null;
const socket = await new Exec(config).exec(
  "default", "shell", "shell", JSON.parse(argv), stdout.stream, stderr.stream, process.stdin, false,
  (seen) => { status = seen; },
);
await new Promise((resolve) => socket.on("close", resolve));
process.stdout.write(JSON.stringify({ stdout: stdout.text(), stderr: stderr.text(), status }));
process.exit(0);
