// How to reach an api-server and who we are there: the decided form of a kubeconfig.

export interface ClientConfig {
  /** https://host:port, optionally with a path prefix. */
  readonly server: string;
  /** host:port of the gRPC API; absent: REST is used. */
  readonly grpcServer?: string;
  /** PEM. Absent: the system's roots. */
  readonly caData?: string;
  readonly clientCertificateData?: string;
  readonly clientKeyData?: string;
  readonly token?: string;
  /** Read again at most once a minute, as client-go does, because bound tokens rotate. Wins over `token`. */
  readonly tokenFile?: string;
  readonly insecureSkipTLSVerify?: boolean;
  /** Name to verify the server's certificate against instead of the host. */
  readonly tlsServerName?: string;
  /** Of the current context; "default" when it names none. */
  readonly namespace: string;
  /** First part names the component ("kube-scheduler/v1.35.0"); it is the default field manager. */
  readonly userAgent?: string;
}
