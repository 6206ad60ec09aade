// A libp2p peer of a federation: TCP, Noise, Yamux, identify, ping and gossipsub, all of them js-libp2p's.
import './platform.js';
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { gossipsub } from '@libp2p/gossipsub';
import { identify } from '@libp2p/identify';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { hex, sha256 } from './bytes.js';

export class Peer {
  static async start(federation) {
    const peer = new Peer();
    peer.topic = `comity/${hex(federation)}`;
    peer.libp2p = await createLibp2p({
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: {
        // Nodes keep connections only with peers that name their federation here.
        identify: (components) => {
          const service = identify()(components);
          service.host.protocolVersion = `/comity/${hex(federation)}/1`;
          return service;
        },
        // A rust-libp2p node leaves our pings unanswered if we leave its, and js-libp2p then hangs up.
        ping: ping(),
        // The author of a message is not who sends it: no `from`, no `seqno`, no signature of a peer.
        gossip: gossipsub({
          globalSignaturePolicy: 'StrictNoSign',
          msgIdFn: ({ topic, data }) => sha256(topic, Buffer.of(0), data).subarray(0, 20),
        }),
      },
    });
    return peer;
  }

  async call(address) {
    this.connection = await this.libp2p.dial(multiaddr(address));
  }

  openSync() {
    return this.connection.newStream('/comity/sync/1');
  }

  /** Joins the topic; `judge` says of each message whether to accept, ignore or reject it. Resolves in the node's mesh. */
  async join(judge) {
    const { gossip } = this.libp2p.services;
    gossip.topicValidators.set(this.topic, (_, message) => judge(message.data));
    const grafted = new Promise((resolve) => {
      gossip.addEventListener('gossipsub:graft', ({ detail }) => detail.topic === this.topic && resolve());
    });
    gossip.subscribe(this.topic);
    await grafted;
  }

  stop() {
    return this.libp2p.stop();
  }
}
